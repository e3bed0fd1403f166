import { createHash, randomUUID } from 'node:crypto';
import {
  access,
  constants,
  type FileHandle,
  open,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  stat,
} from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { types } from 'node:util';
import { ConvLSTMError, show } from '../errors.js';

/** Location of a file or folder: a path or a `file:` URL. */
export type FilePath = string | URL;

/** Source of a reader's bytes: a file, or memory. */
export type ByteSource = FilePath | Uint8Array | ArrayBuffer;

/** @internal */
export function toPath(path: FilePath): string {
  if (typeof path === 'string') return path;
  if (path instanceof URL && path.protocol === 'file:') return fileURLToPath(path);
  throw new ConvLSTMError('ERR_OPTION', `expected a path or a file: URL, got ${show(path)}`);
}

/**
 * Path of a listed file whose name is not UTF-8, in bytes: as a string it would be another name.
 *
 * @internal
 */
export interface RawPath {
  rawPath: Uint8Array;
  /** For messages: bytes that are not UTF-8 as `\xfc`. */
  name: string;
}

/** A source, also one that a folder's listing found. @internal */
export type ListedSource = ByteSource | RawPath;

/** @internal */
export function isFilePath(source: ByteSource): source is FilePath {
  return typeof source === 'string' || source instanceof URL;
}

/** @internal */
export function isRawPath(source: ListedSource): source is RawPath {
  return typeof source === 'object' && source !== null && 'rawPath' in source;
}

/** Path for `node:fs`; null for bytes in memory. @internal */
export function systemPath(source: ListedSource): string | Buffer | null {
  if (isRawPath(source)) return Buffer.from(source.rawPath);
  return isFilePath(source) ? toPath(source) : null;
}

/** Name of a source in messages. @internal */
export function sourceName(source: ListedSource): string {
  if (isRawPath(source)) return source.name;
  return isFilePath(source) ? toPath(source) : 'bytes';
}

/** ERR_IO for a failure of the operating system; a ConvLSTMError passes unchanged. @internal */
export function ioError(doing: string, path: string, cause: unknown): ConvLSTMError {
  if (cause instanceof ConvLSTMError) return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new ConvLSTMError('ERR_IO', `${path}: cannot ${doing}: ${reason}`, { cause });
}

/** ERR_FORMAT for a file that breaks its format. @internal */
export function formatError(name: string, message: string, cause?: unknown): ConvLSTMError {
  return new ConvLSTMError('ERR_FORMAT', `${name}: ${message}`, { cause });
}

/** Adds the file's name to an error about its content. @internal */
export function inFile(name: string, cause: unknown): ConvLSTMError {
  if (!(cause instanceof ConvLSTMError)) return ioError('read', name, cause);
  return new ConvLSTMError(cause.code, `${name}: ${cause.message}`, { cause });
}

/**
 * A view of bytes in memory.
 *
 * @throws ConvLSTMError ERR_OPTION for anything else; its message offers paths, which callers accept
 * @internal
 */
export function toBytes(source: Uint8Array | ArrayBuffer): Uint8Array {
  if (types.isUint8Array(source)) return source;
  if (types.isArrayBuffer(source)) return new Uint8Array(source);
  const message = `expected a path, a file: URL, a Uint8Array or an ArrayBuffer, got ${show(source)}`;
  throw new ConvLSTMError('ERR_OPTION', message);
}

/** All bytes of a file, or a view of bytes in memory. @internal */
export async function readBytes(source: ListedSource): Promise<Uint8Array> {
  const path = systemPath(source);
  if (path === null) return toBytes(source as Uint8Array | ArrayBuffer);
  try {
    return await readFile(path);
  } catch (error) {
    throw ioError('read', sourceName(source), error);
  }
}

/** Makes a rename in `folder` survive a power cut. Windows cannot sync folders. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Resolves links; refuses devices and folders, which a rename must not replace. */
async function resolveTarget(path: string): Promise<string> {
  let target: string;
  try {
    target = await realpath(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return path;
    throw error;
  }
  if ((await stat(target)).isFile()) return target;
  throw new ConvLSTMError('ERR_IO', `${path}: is not a regular file`);
}

/** Start of the names of temporary files for `target`, of a length that every name allows. */
function temporaryPrefix(target: string): string {
  const hash = createHash('sha256').update(basename(target)).digest('hex');
  return `.convlstm-${hash.slice(0, 12)}-`;
}

/**
 * Removes what killed processes left of `writeAtomically(path)`. No other process may write the same file.
 *
 * @throws ConvLSTMError ERR_IO
 * @internal
 */
export async function removeUnfinished(path: FilePath): Promise<void> {
  const name = toPath(path);
  try {
    const target = await resolveTarget(name);
    const prefix = temporaryPrefix(target);
    for (const entry of await readdir(dirname(target))) {
      if (entry.startsWith(prefix)) await rm(join(dirname(target), entry), { force: true });
    }
  } catch (error) {
    throw ioError('write', name, error);
  }
}

/**
 * Writes a file atomically: `path` has either the old or the whole new content. Writes a temporary file
 * in the same folder, syncs it, renames it over `path` and syncs the folder.
 *
 * @internal
 */
export async function writeAtomically(
  path: FilePath,
  write: (file: FileHandle) => Promise<void>,
): Promise<void> {
  const name = toPath(path);
  let temporary: string | undefined;
  try {
    const target = await resolveTarget(name);
    const folder = dirname(target);
    const unfinished = join(folder, `${temporaryPrefix(target)}${randomUUID()}.tmp`);
    const file = await open(unfinished, 'wx');
    temporary = unfinished;
    try {
      await write(file);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(unfinished, target);
    temporary = undefined;
    await syncFolder(folder);
  } catch (error) {
    if (temporary !== undefined) await rm(temporary, { force: true });
    throw ioError('write', name, error);
  }
}

/**
 * Checks that the folder of `path` is writable, before the file's content is computed.
 *
 * @throws ConvLSTMError ERR_IO
 * @internal
 */
export async function checkFolderOf(path: FilePath): Promise<void> {
  const name = toPath(path);
  try {
    await access(dirname(name), constants.W_OK);
  } catch (error) {
    throw ioError('write', name, error);
  }
}

/** `writeAtomically` for bytes in memory. @internal */
export function writeBytes(path: FilePath, bytes: Uint8Array): Promise<void> {
  return writeAtomically(path, (file) => writeAll(file, bytes));
}

/** Writes all bytes; one FileHandle.write may write fewer. @internal */
export async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await file.write(bytes, done)).bytesWritten;
  }
}
