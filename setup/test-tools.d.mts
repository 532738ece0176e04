/** Where other S3 clients and servers for tests are, or would be: Python packages, programs in `bin`. */
export function testToolsPlace(): string;
