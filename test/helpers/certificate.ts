import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A key, and a certificate for it that vouches for itself, both as PEM. */
export interface Certificate {
  readonly key: string;
  readonly cert: string;
  /** Where the certificate is. */
  readonly file: string;
}

/** Makes one in `dir`; `subject` is who has it, as OpenSSL writes it: `DNS:a.example`, `IP:127.0.0.1`. */
export async function makeCertificate(dir: string, name: string, subject: string): Promise<Certificate> {
  const [key, file] = [join(dir, `${name}.key`), join(dir, `${name}.pem`)];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  const who = ['-subj', '/CN=test', '-addext', `subjectAltName=${subject}`];
  await run('openssl', ['req', '-x509', ...kind, ...who, '-keyout', key, '-out', file]);
  return { key: await readFile(key, 'utf8'), cert: await readFile(file, 'utf8'), file };
}
