export class InsecureClient {
  constructor(_env: (name: string) => string | undefined) {}
  fetch(url: string, init: RequestInit): Promise<Response> {
    return fetch(url, init);
  }
  close(): void {}
}
