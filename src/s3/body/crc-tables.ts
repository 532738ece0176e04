/**
 * CRCs that zlib does not have, as tables of one step a byte. Both are reflected: the lowest bit comes first, the register
 * begins with all ones and is inverted at the end.
 */
export interface Digest {
  update(data: Buffer): unknown;
  digest(encoding: 'base64'): string;
}

const CASTAGNOLI = 0x82f63b78;
/** Of CRC-64/NVME, in halves: JavaScript counts in 32 bits. */
const NVME_HIGH = 0x9a6c9329;
const NVME_LOW = 0xac4bc9b5;

const crc32cTable = new Uint32Array(256).map((_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ CASTAGNOLI : value >>> 1;
  return value;
});

const [nvmeHigh, nvmeLow] = makeNvmeTables();

function makeNvmeTables(): [Uint32Array, Uint32Array] {
  const [highs, lows] = [new Uint32Array(256), new Uint32Array(256)];
  for (let byte = 0; byte < 256; byte++) {
    let [high, low] = [0, byte];
    for (let bit = 0; bit < 8; bit++) {
      const out = low & 1;
      low = (low >>> 1) | ((high & 1) << 31);
      high = high >>> 1;
      if (out) [high, low] = [high ^ NVME_HIGH, low ^ NVME_LOW];
    }
    highs[byte] = high;
    lows[byte] = low;
  }
  return [highs, lows];
}

export class Crc32c implements Digest {
  #value = 0xffffffff;

  update(data: Buffer): void {
    let value = this.#value;
    for (const byte of data) value = (value >>> 8) ^ (crc32cTable[(value ^ byte) & 0xff] ?? 0);
    this.#value = value;
  }

  digest(): string {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(~this.#value >>> 0);
    return bytes.toString('base64');
  }
}

export class Crc64Nvme implements Digest {
  #high = 0xffffffff;
  #low = 0xffffffff;

  update(data: Buffer): void {
    let [high, low] = [this.#high, this.#low];
    for (const byte of data) {
      const at = (low ^ byte) & 0xff;
      low = ((low >>> 8) | (high << 24)) ^ (nvmeLow[at] ?? 0);
      high = (high >>> 8) ^ (nvmeHigh[at] ?? 0);
    }
    [this.#high, this.#low] = [high, low];
  }

  digest(): string {
    const bytes = Buffer.alloc(8);
    bytes.writeUInt32BE(~this.#high >>> 0, 0);
    bytes.writeUInt32BE(~this.#low >>> 0, 4);
    return bytes.toString('base64');
  }
}
