import type { NdArray } from '../io/nd-array.js';
import * as png from '../io/png.js';
import { escapeXml } from './chart.js';

/** A sequence and its forecast: frames [T, C, H, W] with values 0..1. */
export interface ForecastExample {
  input: Readonly<NdArray>;
  target: Readonly<NdArray>;
  forecast: Readonly<NdArray>;
}

/** Contents of a run's report. */
export interface HtmlReport {
  title: string;
  /** Rows of the table. */
  facts: readonly (readonly [name: string, value: string])[];
  /** SVG documents. */
  charts: readonly string[];
  examples: readonly ForecastExample[];
  /** Shown as JSON. */
  settings: unknown;
}

const kGap = 2;
/** Height of a shown frame in pixels, rounded to a whole zoom factor. */
const kShownHeight = 64;

/** Draws rows of frames in one grey picture; null leaves a place empty. */
function mosaic(rows: readonly (Float32Array | null)[][], height: number, width: number): NdArray {
  const columns = Math.max(...rows.map((row) => row.length));
  const shape = [rows.length * (height + kGap) - kGap, columns * (width + kGap) - kGap];
  const data = new Float32Array(shape[0]! * shape[1]!).fill(1);
  rows.forEach((row, r) => {
    row.forEach((frame, column) => {
      if (!frame) return;
      for (let y = 0; y < height; y++) {
        const to = (r * (height + kGap) + y) * shape[1]! + column * (width + kGap);
        data.set(frame.subarray(y * width, (y + 1) * width), to);
      }
    });
  });
  return { data, shape };
}

/** The first channel of each frame. */
function framesOf({ data, shape }: Readonly<NdArray>): Float32Array[] {
  const [time, channels, height, width] = shape as [number, number, number, number];
  const area = height * width;
  return Array.from({ length: time }, (_, t) =>
    data.subarray(t * channels * area, t * channels * area + area),
  );
}

/** Draws an example: input and target above, the forecast below the target. */
function picture({ input, target, forecast }: ForecastExample): string {
  const [height, width] = input.shape.slice(2) as [number, number];
  const seen = framesOf(input);
  const image = mosaic(
    [
      [...seen, ...framesOf(target)],
      [...seen.map(() => null), ...framesOf(forecast)],
    ],
    height,
    width,
  );
  const zoom = Math.max(1, Math.round(kShownHeight / height));
  const [rows, columns] = image.shape as [number, number];
  const url = `data:image/png;base64,${Buffer.from(png.encode(image)).toString('base64')}`;
  return `<img src="${url}" width="${columns * zoom}" height="${rows * zoom}" alt="${seen.length} input frames and ${target.shape[0]} target frames; the forecasts below">`;
}

const kStyle = `
  :root { color-scheme: light; }
  body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
  h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
  table { border-collapse: collapse; } th { text-align: left; font-weight: 600; padding: 0.15rem 1.5rem 0.15rem 0; }
  td { font-variant-numeric: tabular-nums; } svg { max-width: 100%; height: auto; }
  img { image-rendering: pixelated; display: block; max-width: 100%; height: auto; margin: 1rem 0; }
  pre { background: #f5f5f5; padding: 1rem; overflow-x: auto; font-size: 13px; }`;

/**
 * Renders a run as one self-contained HTML file.
 *
 * @internal
 */
export function renderReport({ title, facts, charts, examples, settings }: HtmlReport): string {
  const rows = facts.map(
    ([name, value]) =>
      `<tr><th scope="row">${escapeXml(name)}</th><td>${escapeXml(value)}</td></tr>`,
  );
  const forecasts = [
    '<h2>Forecasts</h2>',
    '<p>Input and target frames above, forecasts below the target frames.</p>',
    ...examples.map(picture),
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeXml(title)}</title>
<style>${kStyle}
</style>
</head>
<body>
<h1>${escapeXml(title)}</h1>
<table>
${rows.join('\n')}
</table>
<h2>Curves</h2>
${charts.join('\n')}
${examples.length > 0 ? forecasts.join('\n') : ''}
<h2>Settings</h2>
<pre>${escapeXml(JSON.stringify(settings, null, 2))}</pre>
</body>
</html>
`;
}
