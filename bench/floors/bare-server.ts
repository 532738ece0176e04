import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Reads the body, answers `"ok"`; tells its parent the port. */
const server = createServer({ noDelay: true }, (request, response) => {
  request.on('data', () => {});
  request.on('end', () => {
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': 4 });
    response.end('"ok"');
  });
});
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
