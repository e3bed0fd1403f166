// loader.mjs ENDING WORKERS: begins a loop over a DataLoader, ends it in the given way, and prints
// what the loop threw, then `goes on`. The program is over at its last line: threads must not hold it.
import { DataLoader } from 'convlstm';

const [ending, workers] = [process.argv[2], Number(process.argv[3])];

/** Bodies of `get` in the worker. */
const kBodies = {
  exit: 'process.exit(0)',
  memory: 'for (const all = []; ; ) all.push(new Array(1e6).fill(index + all.length))',
  uncaught: "setTimeout(() => { throw new Error('out of turn') }); return new Promise(() => {})",
  reject: "Promise.reject(new Error('out of turn')); return new Promise(() => {})",
  sample: "throw new Error('no frame')",
  null: 'throw null',
  endless: 'for (;;);',
  never: 'return new Promise(() => {})',
};
const body = kBodies[ending] ?? 'return { input: { data: new Float32Array(4), shape: [4] } }';
const text = `export default () => ({ length: 400, get(index) { ${body} } })`;
const kModules = {
  missing: 'file:///nowhere/dataset.mjs',
  syntax: 'data:text/javascript,export default (',
  empty: 'data:text/javascript,export default () => null',
  fails: "data:text/javascript,throw new Error('at load')",
};
const dataset = {
  length: 400,
  get: new Function('index', body),
  source: { module: kModules[ending] ?? `data:text/javascript,${encodeURIComponent(text)}` },
};

async function main() {
  const loader = new DataLoader(dataset, { batchSize: 2, workers });
  const loop = loader[Symbol.asyncIterator]();
  switch (ending) {
    case 'unused':
      return;
    case 'return-first':
      console.log(await loop.return());
      return;
    case 'next-return':
      await loop.next();
      await loop.return();
      return;
    case 'dropped':
      await loop.next();
      return;
    case 'endless':
    case 'never': {
      const next = loop.next();
      await loop.return();
      console.log((await next).done);
      return;
    }
  }
  for await (const batch of loop) {
    if (ending === 'throw') throw new Error(`of the caller, ${Object.keys(batch)}`);
    if (ending === 'break') break;
    if (ending === 'return') return;
  }
}

try {
  await main();
} catch (error) {
  console.log(error.code, error.message);
}
console.log('goes on');
