/** The errors of S3 that this server answers with: code, status and message, as S3's own pages name them. */
export const S3_ERRORS = {
  // Who asks, and whether it was really them.
  AccessDenied: { status: 403, message: 'Access Denied' },
  AuthorizationHeaderMalformed: { status: 400, message: 'The authorization header is malformed' },
  AuthorizationQueryParametersError: {
    status: 400,
    message: 'The query parameters of the signature are malformed',
  },
  InvalidAccessKeyId: { status: 403, message: 'The access key id does not exist in our records' },
  InvalidToken: { status: 400, message: 'Session tokens are not supported' },
  RequestTimeTooSkewed: {
    status: 403,
    message: "The difference between the request time and the server's time is too large",
  },
  SignatureDoesNotMatch: {
    status: 403,
    message: 'The request signature we calculated does not match the signature you provided',
  },

  // What came with the request.
  BadDigest: { status: 400, message: 'The digest you specified did not match what we received' },
  BadRequest: { status: 400, message: 'This is not an HTTP request that the server understands' },
  EntityTooLarge: { status: 400, message: 'Your proposed upload exceeds the maximum allowed size' },
  EntityTooSmall: { status: 400, message: 'Your proposed upload is smaller than the minimum allowed size' },
  IncompleteBody: { status: 400, message: 'The body does not have the length that its header names' },
  InvalidArgument: { status: 400, message: 'Invalid Argument' },
  InvalidBucketName: { status: 400, message: 'The specified bucket is not valid' },
  InvalidDigest: { status: 400, message: 'The Content-MD5 you specified is not valid' },
  InvalidPart: {
    status: 400,
    message: 'One or more of the specified parts could not be found, or its entity tag does not match',
  },
  InvalidPartOrder: { status: 400, message: 'The list of parts was not in ascending order' },
  InvalidRange: { status: 416, message: 'The requested range is not satisfiable' },
  InvalidRequest: { status: 400, message: 'Invalid Request' },
  InvalidURI: { status: 400, message: "Couldn't parse the specified URI" },
  KeyTooLongError: { status: 400, message: 'Your key is too long' },
  MalformedTrailerError: {
    status: 400,
    message: 'The trailers of the body are not what its header announced',
  },
  MalformedXML: {
    status: 400,
    message: 'The XML you provided was not well-formed or did not validate against our published schema',
  },
  MaxMessageLengthExceeded: { status: 400, message: 'Your request was too big' },
  MetadataTooLarge: {
    status: 400,
    message: 'Your metadata headers exceed the maximum allowed metadata size',
  },
  MissingContentLength: { status: 411, message: 'You must provide the Content-Length HTTP header' },
  RequestHeaderSectionTooLarge: { status: 400, message: 'The headers of the request are too large' },
  RequestTimeout: { status: 400, message: 'The request was not received within the timeout period' },
  // S3 itself says 400: here what was changed on its way is refused as what is signed wrongly is.
  XAmzContentSHA256Mismatch: {
    status: 403,
    message: "The provided 'x-amz-content-sha256' header does not match what was computed",
  },

  // What it is about.
  BucketAlreadyOwnedByYou: { status: 409, message: 'Your previous request to create this bucket succeeded' },
  BucketNotEmpty: { status: 409, message: 'The bucket you tried to delete is not empty' },
  MethodNotAllowed: { status: 405, message: 'The specified method is not allowed against this resource' },
  NoSuchBucket: { status: 404, message: 'The specified bucket does not exist' },
  NoSuchKey: { status: 404, message: 'The specified key does not exist' },
  NoSuchUpload: {
    status: 404,
    message: 'The specified upload does not exist: it may have been aborted or completed',
  },
  NotImplemented: { status: 501, message: 'This server does not implement what the request asks for' },
  OperationAborted: { status: 409, message: 'Another operation on this resource is in progress: try again' },
  PreconditionFailed: {
    status: 412,
    message: 'At least one of the preconditions you specified did not hold',
  },
  TooManyBuckets: { status: 400, message: 'There are as many buckets as there may be' },

  // The server itself.
  InternalError: { status: 500, message: 'We encountered an internal error: please try again' },
  ServiceUnavailable: { status: 503, message: 'The server has no room for this now' },
  SlowDown: { status: 503, message: 'Please reduce your request rate' },
} as const satisfies Record<string, { status: number; message: string }>;

export type S3ErrorCode = keyof typeof S3_ERRORS;

/** An error that the client is told of. `fields` become elements of the answer's XML: never a secret, never what was to be signed. */
export class S3Error extends Error {
  readonly code: S3ErrorCode;
  readonly status: number;
  readonly fields: Readonly<Record<string, string>>;

  /** `detail` says more than the table's message does. */
  constructor(
    code: S3ErrorCode,
    detail?: string,
    options: { fields?: Readonly<Record<string, string>>; cause?: unknown } = {},
  ) {
    const { message, status } = S3_ERRORS[code];
    super(detail === undefined ? message : `${message}: ${detail}`, { cause: options.cause });
    this.name = 'S3Error';
    this.code = code;
    this.status = status;
    this.fields = options.fields ?? {};
  }
}

/** There is no room on the disk, for anybody or for us. */
const NO_ROOM = ['ENOSPC', 'EDQUOT', 'EFBIG', 'EMFILE', 'ENFILE'];

/** Any thrown value as an error for the client; what is not from the table tells nothing of its inside. */
export function toS3Error(error: unknown): S3Error {
  if (error instanceof S3Error) return error;
  const { code } = error as NodeJS.ErrnoException;
  if (NO_ROOM.includes(code ?? '')) return new S3Error('ServiceUnavailable', code, { cause: error });
  return new S3Error('InternalError', undefined, { cause: error });
}
