import { ERRORS } from '../../src/errors.ts';
import { code, table } from './markdown.ts';

const INTRODUCTION = `# Errors

*Made from \`src/errors.ts\` by \`node docs/generate.ts\`: do not edit.*

Every error of OpenLambda's own has a code. A worker answers with the status and the body
\`{"error": {"code": "ERR_NO_FUNCTION", "message": "..."}}\`; the \`admin\` tool prints the message. In the messages below,
\`{name}\` stands for what the error is about. The worker's log has the code of every invocation that failed.

An error of the function itself (an exception, a syntax error, a result that JSON cannot hold) is none of these: it is
status 500 with the traceback as plain text. 499 is in the log alone: nobody is there to be answered.
`;

/** The content of `docs/errors.md`. */
export function errorsPage(): string {
  const rows = Object.entries(ERRORS).map(([name, { status, message }]) => [
    code(name),
    String(status),
    code(message),
  ]);
  return `${INTRODUCTION}\n${table(['code', 'status', 'message'], rows)}\n`;
}
