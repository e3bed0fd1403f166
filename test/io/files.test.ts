import {
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { removeUnfinished, writeAtomically, writeBytes } from '../../src/io/files.js';

const made: string[] = [];
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'convlstm-'));
  made.push(folder);
});
afterAll(() => Promise.all(made.map((each) => rm(each, { recursive: true }))));

const bytes = new TextEncoder().encode('new');

describe('writing a file', () => {
  it('creates or replaces it and leaves no other file', async () => {
    const path = join(folder, 'file');
    for (const content of ['first', 'new']) {
      await writeBytes(path, new TextEncoder().encode(content));
      expect(await readFile(path, 'utf8')).toBe(content);
    }
    expect(await readdir(folder)).toEqual(['file']);
  });

  it('removes what a kill has left of one file, not of another', async () => {
    const [path, other] = [join(folder, 'file'), join(folder, 'other')];
    const until = (file: string) =>
      writeAtomically(file, async () => {
        const name = (await readdir(folder)).find((entry) => entry.endsWith('.tmp'))!;
        await copyFile(join(folder, name), join(folder, `${name}.left`));
        throw new Error('killed');
      });
    await expect(until(path)).rejects.toThrow('killed');
    await expect(until(other)).rejects.toThrow('killed');
    await removeUnfinished(path);
    const names = await readdir(folder);
    expect(names).toHaveLength(1);
    await removeUnfinished(other);
    expect(await readdir(folder)).toEqual([]);
  });

  it('shows the old content until the new one is complete', async () => {
    const path = join(folder, 'file');
    await writeFile(path, 'old');
    await writeAtomically(path, async (file) => {
      await file.write(bytes);
      expect(await readFile(path, 'utf8')).toBe('old');
    });
    expect(await readFile(path, 'utf8')).toBe('new');
  });

  it('keeps the old content and removes the temporary file when writing fails', async () => {
    const path = join(folder, 'file');
    await writeFile(path, 'old');
    const failing = writeAtomically(path, async (file) => {
      await file.write(bytes);
      throw new Error('disk full');
    });
    await expect(failing).rejects.toMatchObject({
      code: 'ERR_IO',
      message: `${path}: cannot write: disk full`,
    });
    expect(await readFile(path, 'utf8')).toBe('old');
    expect(await readdir(folder)).toEqual(['file']);
  });

  it.skipIf(process.platform === 'win32')('writes through a link', async () => {
    await mkdir(join(folder, 'inner'));
    const [target, link] = [join(folder, 'inner', 'file'), join(folder, 'link')];
    await writeFile(target, 'old');
    await symlink(target, link);
    await writeBytes(link, bytes);
    expect(await readFile(target, 'utf8')).toBe('new');
    expect(await readlink(link)).toBe(target);
  });

  it('refuses folders and devices', async () => {
    await expect(writeBytes(folder, bytes)).rejects.toMatchObject({
      code: 'ERR_IO',
      message: `${folder}: is not a regular file`,
    });
    if (process.platform !== 'win32') {
      await expect(writeBytes('/dev/null', bytes)).rejects.toMatchObject({ code: 'ERR_IO' });
      expect((await stat('/dev/null')).isCharacterDevice()).toBe(true);
    }
  });
});
