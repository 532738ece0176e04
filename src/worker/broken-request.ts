import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { OlError } from '../errors.ts';
import { JSON_TYPE } from './answers.ts';

/**
 * Answers what is not HTTP, or not in time: there is no request yet that could be answered, only a connection, which
 * ends with this. `answered` is told with what.
 */
export function answerBroken(
  error: NodeJS.ErrnoException,
  socket: Duplex,
  answered: (known: OlError) => void,
): void {
  // The client went away, or a response is half sent already: nothing that we add would be understood.
  if (error.code === 'ECONNRESET' || !socket.writable || isAnswered(socket)) {
    socket.destroy();
    return;
  }
  const known = toKnown(error);
  answered(known);
  const body = `${JSON.stringify(known.toBody())}\n`;
  const head = [
    `HTTP/1.1 ${known.status} ${STATUS_CODES[known.status]}`,
    'Connection: close',
    `Content-Type: ${JSON_TYPE}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

function toKnown(error: NodeJS.ErrnoException): OlError {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return new OlError('ERR_HEADER_TOO_LARGE', {}, { cause: error });
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new OlError('ERR_REQUEST_TIMEOUT', {}, { cause: error });
    default:
      return new OlError('ERR_BAD_REQUEST', { reason: error.message }, { cause: error });
  }
}

/** True where node:http has begun to answer on this connection. */
function isAnswered(socket: Duplex): boolean {
  const { _httpMessage: message } = socket as Duplex & { _httpMessage?: { headersSent: boolean } | null };
  return message?.headersSent === true;
}
