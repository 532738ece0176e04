import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Log } from '../telemetry/log.ts';
import { errorXml } from './answer.ts';
import { S3Error } from './errors.ts';

/** Answers what is not HTTP, or not in time: there is a connection and no request, and it ends with this. */
export function answerBroken(error: NodeJS.ErrnoException, socket: Duplex, log: Log): void {
  const { _httpMessage: message } = socket as Duplex & { _httpMessage?: { headersSent: boolean } | null };
  if (error.code === 'ECONNRESET' || !socket.writable || message?.headersSent === true) {
    socket.destroy();
    return;
  }
  const known = toKnown(error);
  log.info({ status: known.status, code: known.code }, 's3 request refused');
  answerWithoutRequest(known, socket);
}

/** The answer is the last that goes over the connection. */
export function answerWithoutRequest(known: S3Error, socket: Duplex): void {
  const body = errorXml(known, '', '');
  const head = [
    `HTTP/1.1 ${known.status} ${STATUS_CODES[known.status]}`,
    'Connection: close',
    'Content-Type: application/xml',
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  socket.on('error', () => {}); // the client is gone, and so is whom to tell
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

function toKnown(error: NodeJS.ErrnoException): S3Error {
  if (error.code === 'HPE_HEADER_OVERFLOW')
    return new S3Error('RequestHeaderSectionTooLarge', undefined, { cause: error });
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return new S3Error('RequestTimeout', undefined, { cause: error });
  return new S3Error('BadRequest', undefined, { cause: error });
}
