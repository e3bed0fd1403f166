// Values that several test processes of one run need, computed by the first that asks.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { deserialize, serialize } from 'node:v8';
import { inject } from 'vitest';

/** The result of `compute`, or that of another process for the same `key`. */
export async function shared<T>(key: unknown, compute: () => Promise<T>): Promise<T> {
  const name = createHash('sha256').update(JSON.stringify(key)).digest('hex');
  const file = join(inject('sharedFolder'), name);
  const claim = await open(`${file}.claim`, 'wx').catch(() => null);
  if (!claim) {
    while (!existsSync(file)) await setTimeout(10);
    return deserialize(await readFile(file)) as T;
  }
  await claim.close();
  try {
    const result = await compute();
    await writeFile(`${file}.partial`, serialize(result));
    await rename(`${file}.partial`, file);
    return result;
  } catch (error) {
    await rm(`${file}.claim`);
    throw error;
  }
}
