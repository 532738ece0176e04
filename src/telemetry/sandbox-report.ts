/** What a worker tells of a sandbox: an element of `GET /sandboxes`, and a line of `admin status`. */
export interface SandboxReport {
  /** `<function>/<instance number>`: `hello/3`. */
  readonly id: string;
  readonly function: string;
  readonly engine: string;
  /** `idle` waits for a request, `paused` as well but stopped; `busy` serves one. */
  readonly state: 'idle' | 'paused' | 'busy';
  /** Its first process as the machine sees it; null while it starts or ends. */
  readonly pid: number | null;
  readonly ageMs: number;
  readonly memoryKb: number;
}
