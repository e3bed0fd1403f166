// The cases of test/operations, which the native tests run on every engine, through the Backend.
import { execFileSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import type { Backend, Storage } from '../../binding.js';
import { backendOf, type Device } from '../../src/backend.js';
import { newestChange } from '../support/built.js';
import { describeOnTarget } from '../support/target.js';

/** What test/operations/write_cases.cc writes. */
interface OperationCase {
  name: string;
  operation: keyof Backend;
  arguments: Argument[];
  results: { name: string; values: string | null; bounds: string | null }[];
}
type Argument =
  | null
  | boolean
  | number
  | string
  | { float32: string }
  | Argument[]
  | { [name: string]: Argument };

const root = path.resolve(import.meta.dirname, '../..');
const extension = process.platform === 'win32' ? '.exe' : '';
const folders = ['Release', ''].map((folder) => path.join(root, 'build/test/operations', folder));
const program = folders
  .map((folder) => path.join(folder, `convlstm_write_cases${extension}`))
  .find(existsSync);

function bytes(hex: string): ArrayBuffer {
  return new Uint8Array(Buffer.from(hex, 'hex')).buffer;
}

function readCases(file: string): OperationCase[] {
  const source = newestChange(root, ['native/core', 'native/ops', 'test/operations']);
  const stamp = statSync(path.join(root, 'build/test/operations/cases.built'), {
    throwIfNoEntry: false,
  });
  const built = stamp?.mtimeMs ?? 0;
  if (source.time > built) {
    throw new Error(
      `${path.relative(root, file)} is older than ${source.file}: npm test builds it`,
    );
  }
  const written = execFileSync(file, { encoding: 'utf8', maxBuffer: 2 ** 28 });
  return JSON.parse(written) as OperationCase[];
}

const cases = program ? readCases(program) : [];

/** The arguments with storages of the backend. */
function uploaded(backend: Backend, argument: Argument): unknown {
  if (argument === null || typeof argument !== 'object') return argument;
  if (Array.isArray(argument)) return argument.map((each) => uploaded(backend, each));
  if (typeof argument['float32'] === 'string') {
    return backend.upload(new Float32Array(bytes(argument['float32'])));
  }
  const entries = Object.entries(argument);
  return Object.fromEntries(entries.map(([name, each]) => [name, uploaded(backend, each)]));
}

/** The results in the order in which the case has them. */
function listed(test: OperationCase, result: unknown): (Storage | null)[] {
  if (test.operation === 'convLstmStack') {
    const { output, states } = result as ReturnType<NonNullable<Backend['convLstmStack']>>;
    return [output, ...states.flatMap(({ h, c }) => [h, c])];
  }
  if (test.results.length === 1) return [result as Storage];
  const byName = result as Record<string, Storage | null>;
  return test.results.map(({ name }) => byName[name]!);
}

/** Says which element is out of its bound by most; null if none is. */
function worstElement(actual: Float32Array, values: Float64Array, bounds: Float64Array) {
  let worst: string | null = null;
  let excess = 0;
  values.forEach((value, k) => {
    if (Object.is(actual[k], value) || actual[k] === value) return;
    // The float32 nearest to a value differs from it by up to 2^-24.
    const over = Math.abs(actual[k]! - value) - (bounds[k]! || Math.abs(value) * 2 ** -24);
    if (over <= excess) return;
    worst = `element ${k}: ${actual[k]} instead of ${value} within ${bounds[k]}`;
    excess = Number.isNaN(over) ? Infinity : over;
  });
  return worst;
}

const missing = program ? '' : ': convlstm_write_cases is missing: npm test builds it';

it.runIf(process.env['CI'])('the program that writes the cases has been built', () => {
  expect(program).toBeDefined();
});

describeOnTarget(`operations agree with float64${missing}`, () => {
  const backend = () => backendOf((process.env['CONVLSTM_DEVICE'] ?? 'cpu') as Device);

  it.skipIf(!program).each(cases)('$name', async (test) => {
    const call = backend()[test.operation] as ((...args: unknown[]) => unknown) | undefined;
    if (call === undefined) {
      expect(test.operation).toBe('convLstmStack'); // the only one that a backend may lack
      return;
    }
    const result = call.apply(backend(), uploaded(backend(), test.arguments) as unknown[]);
    for (const [k, storage] of listed(test, result).entries()) {
      const { values, bounds } = test.results[k]!;
      if (values === null || bounds === null) {
        expect(storage).toBeNull();
        continue;
      }
      const expected = new Float64Array(bytes(values));
      const actual = await storage!.data();
      expect(actual).toHaveLength(expected.length);
      expect(worstElement(actual, expected, new Float64Array(bytes(bounds)))).toBeNull();
    }
  });
});
