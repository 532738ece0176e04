/** Why a bucket gave no answer to rely on: control flow inside this room. The message is for users, and names no key. */
export class Trouble extends Error {
  override readonly name = 'Trouble';
  /** True where it has to do with the server, not with what was asked for: another question would come to the same. */
  readonly isGeneral: boolean;

  constructor(message: string, options: { readonly isGeneral: boolean; readonly cause?: unknown }) {
    super(message, { cause: options.cause });
    this.isGeneral = options.isGeneral;
  }
}

/** What came is not what was announced: it was replaced meanwhile, or damaged on its way. To ask again may help. */
export class TornAnswer extends Trouble {
  constructor(of: 'ETag' | 'checksum', cause?: unknown) {
    super(`what it sent does not match its ${of}`, { isGeneral: false, cause });
  }
}
