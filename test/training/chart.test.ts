import { describe, expect, it } from 'vitest';
import { lineChart } from '../../src/training/chart.js';
import { renderReport } from '../../src/training/html-report.js';

const chart = (points: [number, number][], name = 'loss') =>
  lineChart({ title: 'Loss', xLabel: 'step', series: [{ name, points }] });

/** Pixels of the single line. */
function pixelsOf(svg: string): [number, number][] {
  const text = /<polyline points="([^"]*)"/.exec(svg)![1]!;
  return text.split(' ').map((pair) => pair.split(',').map(Number) as [number, number]);
}

/** y coordinate of each axis label, by its number. */
function yTicks(svg: string): Map<number, number> {
  const found = svg.matchAll(/<text x="56" y="([\d.]+)"[^>]*>([^<]+)</g);
  return new Map([...found].map(([, y, text]) => [Number(text), Number(y)]));
}

describe('lineChart', () => {
  it('places points by the axis labels', () => {
    const svg = chart([
      [0, 1],
      [10, 3],
      [20, 2],
    ]);
    const [first, second, third] = pixelsOf(svg);
    expect([first![0], third![0]]).toEqual([64, 740]);
    expect(second![0]).toBeCloseTo(402);
    const ticks = yTicks(svg);
    expect(first![1]).toBeCloseTo(ticks.get(1)!, 0);
    expect(second![1]).toBeCloseTo(ticks.get(3)!, 0);
    expect(third![1]).toBeCloseTo(ticks.get(2)!, 0);
    expect(second![1]).toBeLessThan(first![1]);
  });

  it('uses a logarithmic axis for a wide range, unless switched off', () => {
    const points: [number, number][] = [
      [1, 100],
      [2, 10],
      [3, 1],
    ];
    const [a, b, c] = pixelsOf(chart(points));
    expect(b![1] - a![1]).toBeCloseTo(c![1] - b![1], 0);
    const ticks = yTicks(chart(points));
    expect(ticks.get(10)).toBeCloseTo(b![1], 0);
    const linear = { title: 'Loss', xLabel: 'step', logarithmic: false };
    const [d, e, f] = pixelsOf(lineChart({ ...linear, series: [{ name: '', points }] }));
    expect(e![1] - d![1]).toBeGreaterThan(5 * (f![1] - e![1]));
  });

  it('draws no points, one point, equal values and NaN', () => {
    expect(chart([])).toContain('no data yet');
    for (const points of [
      [[5, 2]],
      [[5, 0]],
      [
        [1, 3],
        [2, 3],
      ],
      [
        [1, 1],
        [2, Number.NaN],
        [3, 2],
      ],
    ]) {
      const svg = chart(points as [number, number][]);
      expect(svg).not.toMatch(/NaN|Infinity/);
      expect(pixelsOf(svg).length).toBe(
        points.filter((point) => point.every(Number.isFinite)).length,
      );
    }
  });

  it('averages neighbours of long lines', () => {
    const points = Array.from({ length: 6000 }, (_, n): [number, number] => [n, n % 2]);
    const pixels = pixelsOf(chart(points));
    expect(pixels.length).toBe(600);
    expect(new Set(pixels.map(([, y]) => y)).size).toBe(1);
  });

  it('escapes names', () => {
    const svg = chart([[1, 1]], '<b> & "c"');
    expect(svg).toContain('&lt;b&gt; &amp; &quot;c&quot;');
    expect(svg).not.toContain('<b>');
  });
});

describe('renderReport', () => {
  const frames = (length: number) => ({
    data: new Float32Array(length * 64).fill(0.5),
    shape: [length, 1, 8, 8],
  });
  const html = renderReport({
    title: 'A <run>',
    facts: [['Loss', '0.5']],
    charts: [chart([[1, 1]])],
    examples: [{ input: frames(3), target: frames(2), forecast: frames(2) }],
    settings: { note: '</pre><script>' },
  });

  it('is one self-contained file', () => {
    const places = html.matchAll(/(?:src|href|url)\s*[=(]\s*["']?([^"')\s>]+)/g);
    for (const [, place] of places) expect(place).toMatch(/^data:/);
    expect(html).not.toContain('<script');
    expect(html).toContain('A &lt;run&gt;');
    expect(html).toContain('&lt;/pre&gt;&lt;script&gt;');
    expect(html).toContain('<svg');
  });

  it('shows frames unchanged, forecasts below their targets', async () => {
    const { png } = await import('../../src/index.js');
    const [, base64] = /data:image\/png;base64,([^"]+)"/.exec(html)!;
    const { data, shape } = await png.load(Buffer.from(base64!, 'base64'));
    expect(shape).toEqual([18, 48]);
    const at = (row: number, column: number) => data[row * 48 + column]!;
    expect(at(4, 4)).toBeCloseTo(0.5, 2);
    expect(at(4, 8)).toBe(1); // a gap
    expect(at(14, 4)).toBe(1); // no forecast below input frames
    expect(at(14, 34)).toBeCloseTo(0.5, 2);
  });
});
