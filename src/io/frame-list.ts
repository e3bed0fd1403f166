// Which files a source of frames has, and in which order.
import { readdir, stat } from 'node:fs/promises';
import { extname, sep } from 'node:path';
import { ConvLSTMError } from '../errors.js';
import {
  type ByteSource,
  type FilePath,
  ioError,
  isFilePath,
  type ListedSource,
  readBytes,
  sourceName,
  systemPath,
  toBytes,
  toPath,
} from './files.js';
import { kExtensions } from './frame-formats.js';
import { compareNames, type NamedFile, orderFiles, timesOfList } from './time-order.js';
import type { TimePattern } from './time-pattern.js';

/** A file, a folder, or a list of files and folders. */
export type FrameSource = FilePath | readonly FilePath[];

/** A file of frames. @internal */
export interface ListedFile extends NamedFile {
  source: ListedSource;
}

/** Consecutive files: the frames of those with one frame each are one sequence. @internal */
export type ListedFiles = readonly ListedFile[];

/** Reads a name in bytes: as text if it is UTF-8, else with `\xfc` for other bytes. */
function readable(bytes: Buffer): { text: string; exact: boolean } {
  const text = bytes.toString('utf8');
  if (Buffer.from(text).equals(bytes)) return { text, exact: true };
  const shown = Array.from(bytes, (byte) =>
    byte < 0x80 ? String.fromCharCode(byte) : `\\x${byte.toString(16)}`,
  );
  return { text: shown.join(''), exact: false };
}

function inFolder(folder: ListedSource, bytes: Buffer): { source: ListedSource; name: string } {
  const { text, exact } = readable(bytes);
  const path = systemPath(folder)!;
  const name = `${sourceName(folder).replace(/\/+$/, '')}/${text}`;
  if (typeof path === 'string' && exact) return { source: name, name: text };
  const rawPath = Buffer.concat([Buffer.from(path), Buffer.from('/'), bytes]);
  return { source: { rawPath, name }, name: text };
}

const isFrameFile = (name: string) => kExtensions.includes(extname(name).toLowerCase());

/** The error for a folder without frame files. */
function noFrames(folder: string): ConvLSTMError {
  const message = `${folder}: expected ${kExtensions.join(', ')} files, found none`;
  return new ConvLSTMError('ERR_IO', message);
}

/** Files of a folder, then those of its folders, each by itself. Names that begin with a dot are skipped. */
async function listFolder(
  folder: ListedSource,
  prefix: string,
  parents: readonly string[],
): Promise<ListedFile[][]> {
  const path = systemPath(folder)!;
  const { dev, ino } = await stat(path, { bigint: true });
  const self = `${dev}:${ino}`;
  if (parents.includes(self)) {
    throw new ConvLSTMError('ERR_IO', `${sourceName(folder)}: is a link to a folder around it`);
  }
  const files: ListedFile[] = [];
  const folders: { source: ListedSource; name: string }[] = [];
  for (const entry of await readdir(path, { withFileTypes: true, encoding: 'buffer' })) {
    const found = inFolder(folder, entry.name as unknown as Buffer);
    if (found.name.startsWith('.')) continue;
    // Folders of data are often links.
    const info = entry.isSymbolicLink() ? await stat(systemPath(found.source)!) : entry;
    if (info.isDirectory()) folders.push(found);
    else if (isFrameFile(found.name)) {
      files.push({ source: found.source, name: prefix + found.name, time: null });
    }
  }
  const lists = files.length > 0 ? [files] : [];
  for (const { source, name } of folders.sort((a, b) => compareNames(a.name, b.name))) {
    lists.push(...(await listFolder(source, `${prefix}${name}/`, [...parents, self])));
  }
  return lists;
}

/** Joins the lists of folders that the pattern's slashes span. */
function joinSpanned(lists: readonly ListedFile[][], folders: number): ListedFile[][] {
  if (folders === 0) return [...lists];
  const joined = new Map<string, ListedFile[]>();
  for (const file of lists.flat()) {
    const above = file.name
      .split('/')
      .slice(0, -1 - folders)
      .join('/');
    const list = joined.get(above);
    if (list) list.push(file);
    else joined.set(above, [file]);
  }
  return [...joined.values()];
}

/** Lists of a folder; a file's source and name. */
async function listPath(
  path: string,
  pattern: TimePattern | null,
): Promise<ListedFiles[] | ListedFile> {
  try {
    const info = await stat(path);
    if (!info.isDirectory()) {
      // A pipe has no offsets.
      const source = info.isFile() ? path : await readBytes(path);
      return { source, name: path.split(sep).join('/'), time: null };
    }
    const lists = joinSpanned(await listFolder(path, '', []), pattern?.folders ?? 0);
    if (lists.length === 0) throw noFrames(path);
    return lists.flatMap((files) => orderFiles(path, files, pattern));
  } catch (error) {
    throw ioError('read', path, error);
  }
}

/**
 * Lists the files of a source: lists of consecutive files, in order. A folder's files are ordered by the
 * times in their names, else naturally; each of its folders is a list of its own. The files of a list stay
 * in the order given, and those between two folders are consecutive.
 *
 * @throws ConvLSTMError ERR_IO for a path that cannot be read or a folder without frames, ERR_OPTION
 * @internal
 */
export async function listFrames(
  source: FrameSource | Uint8Array | ArrayBuffer,
  pattern: TimePattern | null,
): Promise<ListedFiles[]> {
  const paths = Array.isArray(source) ? (source as readonly FilePath[]) : [source as ByteSource];
  if (paths.length === 0) {
    throw new ConvLSTMError('ERR_OPTION', 'source: expected files, got an empty list');
  }
  if (!Array.isArray(source) && !isFilePath(source as ByteSource)) {
    return [[{ source: toBytes(source as Uint8Array), name: 'bytes', time: null }]];
  }
  const lists: ListedFiles[] = [];
  let given: ListedFile[] = [];
  const endGiven = () => {
    const times = timesOfList(given, pattern);
    if (given.length > 0) lists.push(given.map((file, n) => ({ ...file, time: times[n]! })));
    given = [];
  };
  for (const path of paths) {
    const found = await listPath(toPath(path as FilePath), pattern);
    if (!Array.isArray(found)) given.push(found as ListedFile);
    else {
      endGiven();
      lists.push(...found);
    }
  }
  endGiven();
  return lists;
}
