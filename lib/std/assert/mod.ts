import * as std from "deno-std/assert/mod.js";

type Class<T> = abstract new (...args: never[]) => T;

/** What a failed assertion throws. */
export const AssertionError: new (
  message: string,
  options?: ErrorOptions,
) => Error = std.AssertionError;

/** Holds when `expr` is truthy. */
export const assert: (expr: unknown, msg?: string) => asserts expr = std.assert;

/** Holds when `expr` is falsy. */
export const assertFalse: (expr: unknown, msg?: string) => void =
  std.assertFalse;

/** Holds when both are deeply equal. */
export const assertEquals: <T>(actual: T, expected: T, msg?: string) => void =
  std.assertEquals;

/** Holds when both are not deeply equal. */
export const assertNotEquals: <T>(
  actual: T,
  expected: T,
  msg?: string,
) => void = std.assertNotEquals;

/** Holds when `Object.is` does. */
export const assertStrictEquals: <T>(
  actual: unknown,
  expected: T,
  msg?: string,
) => asserts actual is T = std.assertStrictEquals;

/** Holds when `Object.is` does not. */
export const assertNotStrictEquals: <T>(
  actual: T,
  expected: T,
  msg?: string,
) => void = std.assertNotStrictEquals;

/** Holds when the value is neither null nor undefined. */
export const assertExists: <T>(
  actual: T,
  msg?: string,
) => asserts actual is NonNullable<T> = std.assertExists;

/** Holds when the value is an instance of the class. */
export const assertInstanceOf: <T>(
  actual: unknown,
  expected: Class<T>,
  msg?: string,
) => asserts actual is T = std.assertInstanceOf;

/** Holds when the text matches. */
export const assertMatch: (
  actual: string,
  expected: RegExp,
  msg?: string,
) => void = std.assertMatch;

/** Holds when the text does not match. */
export const assertNotMatch: (
  actual: string,
  expected: RegExp,
  msg?: string,
) => void = std.assertNotMatch;

/** Holds when the text contains the other. */
export const assertStringIncludes: (
  actual: string,
  expected: string,
  msg?: string,
) => void = std.assertStringIncludes;

/** Holds when each expected element is in the list. */
export const assertArrayIncludes: <T>(
  actual: ArrayLike<T>,
  expected: ArrayLike<T>,
  msg?: string,
) => void = std.assertArrayIncludes;

/** Holds when the object has what the other has, at least. */
export const assertObjectMatch: (
  actual: Record<PropertyKey, unknown>,
  expected: Record<PropertyKey, unknown>,
  msg?: string,
) => void = std.assertObjectMatch;

/** Holds when the first is greater. */
export const assertGreater: <T>(actual: T, expected: T, msg?: string) => void =
  std.assertGreater;

/** Holds when the first is greater or equal. */
export const assertGreaterOrEqual: <T>(
  actual: T,
  expected: T,
  msg?: string,
) => void = std.assertGreaterOrEqual;

/** Holds when the first is less. */
export const assertLess: <T>(actual: T, expected: T, msg?: string) => void =
  std.assertLess;

/** Holds when the first is less or equal. */
export const assertLessOrEqual: <T>(
  actual: T,
  expected: T,
  msg?: string,
) => void = std.assertLessOrEqual;

/** Holds when the function throws, and gives what it threw. */
export const assertThrows: <E extends Error = Error>(
  fn: () => unknown,
  errorClass?: Class<E>,
  msgIncludes?: string,
  msg?: string,
) => E = std.assertThrows;

/** Holds when the promise is rejected, and gives the reason. */
export const assertRejects: <E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  errorClass?: Class<E>,
  msgIncludes?: string,
  msg?: string,
) => Promise<E> = std.assertRejects;

/** Never holds. */
export const fail: (msg?: string) => never = std.fail;
