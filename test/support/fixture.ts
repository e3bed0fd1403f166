// Reads test/fixtures/*.safetensors independently of the package's reader, which is under test.
import { readFileSync } from 'node:fs';

export interface Array64 {
  values: Float64Array;
  shape: number[];
}

export interface FixtureCase<Options> {
  options: Options & { name: string };
  /** Tensors by their names within the case. */
  tensors: Map<string, Array64>;
}

interface Entry {
  dtype: 'F64' | 'F32';
  shape: number[];
  data_offsets: [number, number];
}

export function loadFixture<Options>(name: string): FixtureCase<Options>[] {
  const bytes = readFileSync(new URL(`../fixtures/${name}.safetensors`, import.meta.url));
  const headerLength = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerLength));
  const { __metadata__: metadata, ...entries } = header;
  const options = JSON.parse(metadata.cases) as (Options & { name: string })[];
  const cases = new Map(
    options.map((each) => [each.name, { options: each, tensors: new Map<string, Array64>() }]),
  );
  for (const [key, { dtype, shape, data_offsets }] of Object.entries(
    entries as Record<string, Entry>,
  )) {
    const slash = key.indexOf('/');
    const [begin, end] = data_offsets;
    const data = bytes.subarray(8 + headerLength + begin, 8 + headerLength + end);
    const buffer = data.buffer.slice(
      data.byteOffset,
      data.byteOffset + data.byteLength,
    ) as ArrayBuffer;
    const values =
      dtype === 'F64' ? new Float64Array(buffer) : Float64Array.from(new Float32Array(buffer));
    cases.get(key.slice(0, slash))!.tensors.set(key.slice(slash + 1), { values, shape });
  }
  return [...cases.values()];
}
