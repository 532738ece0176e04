import { toPerformanceMs } from '../telemetry/timing.ts';
import type { SandboxResponse } from './sandbox.ts';

/** What the head of an answer on `server_pipe` says. */
export interface AnswerHead {
  readonly status: SandboxResponse['status'];
  /** Which request it says that it answers; null where it says nothing. */
  readonly requestId: string | null;
  readonly bodyBytes: number;
  readonly loadedAt: SandboxResponse['loadedAt'];
  readonly tookMs: SandboxResponse['tookMs'];
}

/** The head as our own runtime writes it but for the first answer: read in one go, because it is in every answer. */
const USUAL =
  /^HTTP\/1\.1 (200|400|500) [^\r\n]*\r\nContent-Type: [^\r\n]*\r\nX-Request-Id: ([0-9a-f]{8})\r\nX-Took-Us: (\d{1,15})\r\nContent-Length: (\d{1,15})$/;
const STATUS_LINE = /^HTTP\/1\.1 (200|400|500) /;
/** In the first answer: when the code was loaded (CLOCK_MONOTONIC, ns). */
const LOADED = /^x-loaded-ns: (\d{1,18})\r?$/im;
const REQUEST_ID = /^x-request-id: ([0-9a-f]{8})\r?$/im;
/** How long the call took in the sandbox. */
const TOOK = /^x-took-us: (\d{1,15})\r?$/im;
const CONTENT_LENGTH = /^content-length:[ \t]*(\d{1,15})[ \t]*\r?$/im;

/** Reads a head, without the empty line at its end. Null for what is not an answer that can be understood. */
export function parseAnswerHead(head: string, isFirst: boolean): AnswerHead | null {
  const usual = isFirst ? null : USUAL.exec(head);
  const status = (usual ?? STATUS_LINE.exec(head))?.[1];
  const length = usual === null ? CONTENT_LENGTH.exec(head)?.[1] : usual[4];
  if (status === undefined || length === undefined) return null;
  const requestId = usual === null ? REQUEST_ID.exec(head)?.[1] : usual[2];
  const loaded = isFirst ? LOADED.exec(head)?.[1] : undefined;
  const took = usual === null ? TOOK.exec(head)?.[1] : usual[3];
  return {
    status: Number(status) as AnswerHead['status'],
    requestId: requestId ?? null,
    bodyBytes: Number(length),
    loadedAt: loaded === undefined ? null : toPerformanceMs(Number(loaded)),
    tookMs: took === undefined ? null : Number(took) / 1000,
  };
}
