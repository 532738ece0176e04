/** Where to reach, from this machine, a worker that listens on `host`: `http://localhost:8080`. */
export function workerUrl(host: string, port: number): string {
  if (host === '0.0.0.0' || host === '::') return `http://localhost:${port}`;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
