import { show } from '../errors.js';
import { formatError } from './files.js';
import { safeElementCount } from './nd-array.js';

/** Entry of a tensor in a safetensors header. */
export interface TensorEntry {
  /** Its key in the file. */
  name: string;
  /** Number type by the format's name, such as `F32` or `I64`. */
  dtype: string;
  /** Sizes of the axes; `[]` for a single number. */
  shape: number[];
  /** Offset of the tensor's first byte from the end of the header. */
  begin: number;
  /** Offset of the first byte after the tensor. */
  end: number;
}

/** Header of a safetensors file. */
export interface SafetensorsHeader {
  /** Tensors in the order of their bytes. */
  tensors: TensorEntry[];
  /** Metadata; empty if the file has none. An object without a prototype. */
  metadata: Record<string, string>;
}

/** Limit of the format. @internal */
export const kMaxHeaderBytes = 100_000_000;

const kMaxRank = 32;

/** Bits per element of the format's types. */
const kDtypeBits: ReadonlyMap<string, number> = new Map([
  ['F4', 4],
  ['F6_E2M3', 6],
  ['F6_E3M2', 6],
  ['BOOL', 8],
  ['U8', 8],
  ['I8', 8],
  ['F8_E5M2', 8],
  ['F8_E4M3', 8],
  ['F8_E8M0', 8],
  ['F8_E5M2FNUZ', 8],
  ['F8_E4M3FNUZ', 8],
  ['U16', 16],
  ['I16', 16],
  ['F16', 16],
  ['BF16', 16],
  ['U32', 32],
  ['I32', 32],
  ['F32', 32],
  ['C64', 64],
  ['U64', 64],
  ['I64', 64],
  ['F64', 64],
]);

/** @internal */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isOffset(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** Quotes a name from a file, shortened for a message. @internal */
export function quote(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name);
}

/** Throws ERR_FORMAT unless a header of `length` bytes fits into `fileBytes`. @internal */
export function checkHeaderLength(source: string, length: bigint, fileBytes: number): number {
  if (length > BigInt(kMaxHeaderBytes)) {
    throw formatError(
      source,
      `expected a header of at most ${kMaxHeaderBytes} bytes, got ${length}`,
    );
  }
  if (length > BigInt(fileBytes - 8)) {
    throw formatError(source, `header of ${length} bytes does not fit into ${fileBytes}`);
  }
  return Number(length);
}

/**
 * The first duplicate key of an object in a valid JSON text, or null. JSON.parse keeps the last of the
 * two, other readers the first.
 */
function repeatedKey(json: string): string | null {
  const open: Set<string>[] = [];
  for (let at = 0; at < json.length; at++) {
    const character = json[at];
    if (character === '{') open.push(new Set());
    else if (character === '}') open.pop();
    if (character !== '"') continue;
    const begin = at++;
    for (; json[at] !== '"'; at++) if (json[at] === '\\') at++;
    const end = at + 1;
    while (/\s/.test(json[at + 1] ?? '')) at++;
    if (json[at + 1] !== ':') continue;
    const key: string = JSON.parse(json.slice(begin, end));
    const keys = open.at(-1)!;
    if (keys.has(key)) return key;
    keys.add(key);
  }
  return null;
}

/**
 * Parses and checks a header: no duplicate key, shapes without overflow, byte ranges that
 * match their shapes and tile the data section of `dataBytes` bytes without overlap or hole. Types that
 * this package does not know, newer ones, pass.
 *
 * @internal
 */
export function parseHeader(
  source: string,
  bytes: Uint8Array,
  dataBytes: number,
): SafetensorsHeader {
  // The format requires a brace first; JSON.parse accepts blanks before it.
  if (bytes[0] !== 0x7b) throw formatError(source, 'header does not begin with {');
  let text: string;
  let json: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    json = JSON.parse(text);
  } catch (error) {
    throw formatError(source, 'header is not valid JSON', error);
  }
  if (!isObject(json)) throw formatError(source, 'header is not a JSON object');
  const repeated = repeatedKey(text);
  if (repeated !== null) throw formatError(source, `header has the key ${quote(repeated)} twice`);

  const tensors: TensorEntry[] = [];
  let metadata: Record<string, string> = Object.create(null);
  for (const [name, value] of Object.entries(json)) {
    if (name === '__metadata__') metadata = parseMetadata(source, value);
    else tensors.push(parseEntry(source, name, value));
  }
  tensors.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let position = 0;
  for (const { name, begin, end } of tensors) {
    if (begin !== position) {
      const what = begin < position ? 'overlaps the tensor before it' : 'leaves a hole before it';
      throw formatError(
        source,
        `${quote(name)}: begins at ${begin}, expected ${position}: ${what}`,
      );
    }
    position = end;
  }
  if (position !== dataBytes) {
    throw formatError(source, `tensors take ${position} bytes but ${dataBytes} follow the header`);
  }
  return { tensors, metadata };
}

function parseMetadata(source: string, value: unknown): Record<string, string> {
  if (!isObject(value)) throw formatError(source, '__metadata__ is not an object');
  const metadata: Record<string, string> = Object.create(null);
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string') {
      throw formatError(source, `__metadata__: ${quote(key)} is not a string`);
    }
    metadata[key] = text;
  }
  return metadata;
}

function parseEntry(source: string, name: string, value: unknown): TensorEntry {
  const fail = (message: string) => formatError(source, `${quote(name)}: ${message}`);
  if (!isObject(value)) throw fail('is not an object');
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string') throw fail(`dtype: expected a name, got ${show(dtype)}`);
  const bits = kDtypeBits.get(dtype);
  if (!Array.isArray(shape) || shape.length > kMaxRank) {
    throw fail(`shape is not an array of at most ${kMaxRank} numbers`);
  }
  const count = safeElementCount(shape);
  if (count === null || !Number.isSafeInteger(count * (bits ?? 8))) {
    throw fail('shape is not of non-negative integers with a countable product');
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isOffset)) {
    throw fail('data_offsets is not a pair of non-negative integers');
  }
  const [begin, end] = offsets as [number, number];
  if (end < begin) throw fail(`data_offsets [${begin}, ${end}] end before they begin`);
  if (bits !== undefined && end - begin !== (count * bits) / 8) {
    throw fail(
      `data_offsets [${begin}, ${end}] hold ${end - begin} bytes, ` +
        `but ${dtype} [${shape}] takes ${(count * bits) / 8}`,
    );
  }
  return { name, dtype, shape, begin, end };
}
