import type { Stall } from './stall.ts';
import { TornAnswer, Trouble } from './trouble.ts';

interface Context {
  readonly stall: Stall;
  readonly bucket: string;
}

/** What S3 servers say, and what is to be done about it. */
const REMEDIES: Readonly<Record<string, string>> = {
  InvalidAccessKeyId: 'it does not know the key: set registry_access_key',
  SignatureDoesNotMatch: 'it refuses the signature: set registry_secret_key',
  AccessDenied: 'it denies access: look at registry_access_key and registry_secret_key, and what they may do',
  RequestTimeTooSkewed: 'its clock and the one of this machine differ: set both right',
  AuthorizationHeaderMalformed: 'it refuses the signature: look at registry_region',
};

/** Every failure of a request in words that tell an operator what to do. A secret is in none of them. */
export function troubleOf(error: unknown, { stall, bucket }: Context): Trouble {
  if (error instanceof Trouble) return error;
  const general = (message: string) => new Trouble(message, { isGeneral: true, cause: error });
  if (stall.isStalled) return general(`it was silent for ${stall.timeoutMs} ms`);
  const {
    name = '',
    code = name,
    message = '',
    $metadata,
  } = error as NodeJS.ErrnoException & {
    $metadata?: { httpStatusCode?: number };
  };
  if (name === 'NoSuchBucket')
    return general(`it has no bucket '${bucket}': make it, or set registry_bucket`);
  if (message.startsWith('Checksum mismatch')) return new TornAnswer('checksum', error);
  const remedy = Object.hasOwn(REMEDIES, name) ? REMEDIES[name] : undefined;
  if (remedy !== undefined) return general(remedy);
  const status = $metadata?.httpStatusCode;
  if (status !== undefined) return general(`it answers ${status} ${name}`);
  return general(`it cannot be reached (${shortened(message === '' ? code : message)})`);
}

function shortened(text: string): string {
  return text.replace(/\s+/g, ' ').slice(0, 200);
}
