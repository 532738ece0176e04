import { type AnswerHead, parseAnswerHead } from './answer-head.ts';
import { PipeError } from './pipe-error.ts';
import type { SandboxResponse } from './sandbox.ts';

const MAX_HEAD_BYTES = 16 * 1024;
const HEAD_END = Buffer.from('\r\n\r\n');

/** What an answer has to be like. */
export interface Expected {
  /** That of the request: an answer to an earlier one, sent twice or late, would be taken for the answer to this. */
  readonly requestId: string;
  readonly maxBytes: number;
  /** True for the first answer of a sandbox, which says when it had loaded its code. */
  readonly isFirst: boolean;
}

/** Puts one answer together from what a sandbox writes, which is code that is not trusted. */
export class AnswerReader {
  readonly #expected: Expected;
  #head: AnswerHead | null = null;
  /** Where the head has not ended yet: what there is of it. */
  #headStart: Buffer | null = null;
  readonly #body: Buffer[] = [];
  #received = 0;

  constructor(expected: Expected) {
    this.#expected = expected;
  }

  /** The answer, once it is whole; null before. What is kept of the chunk is copied. Throws PipeError for anything else. */
  add(chunk: Buffer): SandboxResponse | null {
    let body: Buffer | null = chunk;
    if (this.#head === null) body = this.#readHead(chunk);
    return this.#head === null || body === null ? null : this.#readBody(this.#head, body);
  }

  /** What follows the head, where that has ended. */
  #readHead(chunk: Buffer): Buffer | null {
    const data = this.#headStart === null ? chunk : Buffer.concat([this.#headStart, chunk]);
    const end = data.indexOf(HEAD_END);
    if (end >= 0) {
      this.#head = this.#parseHead(data.toString('latin1', 0, end));
      return data.subarray(end + HEAD_END.length);
    }
    if (data.length > MAX_HEAD_BYTES)
      throw new PipeError('protocol', `its header is longer than ${MAX_HEAD_BYTES} bytes`);
    this.#headStart = Buffer.from(data);
    return null;
  }

  #parseHead(text: string): AnswerHead {
    const { requestId, maxBytes, isFirst } = this.#expected;
    const head = parseAnswerHead(text, isFirst);
    if (head === null) throw new PipeError('protocol', 'its header is not an answer of ours');
    if (head.requestId !== requestId)
      throw new PipeError('protocol', 'it answered something else than the request');
    if (head.bodyBytes > maxBytes) throw new PipeError('too-large', `a response of ${head.bodyBytes} bytes`);
    return head;
  }

  #readBody({ status, bodyBytes, loadedAt, tookMs }: AnswerHead, chunk: Buffer): SandboxResponse | null {
    this.#received += chunk.length;
    if (this.#received > bodyBytes) throw new PipeError('protocol', 'it sent more than the answer');
    this.#body.push(Buffer.from(chunk));
    if (this.#received < bodyBytes) return null;
    const [first] = this.#body;
    const body = this.#body.length === 1 && first !== undefined ? first : Buffer.concat(this.#body);
    return { status, body, loadedAt, tookMs };
  }
}
