/** Line charts as SVG. */

/** One line of a chart. */
export interface Series {
  name: string;
  /** Sorted by x; points without a finite y are left out. */
  points: readonly (readonly [x: number, y: number])[];
}

/** Contents of a chart. */
export interface ChartOptions {
  title: string;
  xLabel: string;
  series: readonly Series[];
  /** Allows a logarithmic y axis, used for positive values a factor of 20 or more apart; default true. */
  logarithmic?: boolean;
}

const kWidth = 760;
const kHeight = 340;
const kMargin = { top: 40, right: 20, bottom: 44, left: 64 };
/** Distinguishable with every kind of colour vision (Okabe and Ito). */
const kColours = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00'];
/** Upper limit of points drawn: more than the pixels of a line add nothing. */
const kMaxPoints = 600;
/** Ratio of the largest to the smallest value from which the y axis is logarithmic. */
const kLogRatio = 20;

/** @internal */
export function escapeXml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

/** Round numbers from `low` to `high`, about `count` of them. */
function ticks(low: number, high: number, count: number): number[] {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10);
  const found: number[] = [];
  for (let n = Math.ceil(low / step); n * step <= high * (1 + 1e-9); n++) found.push(n * step);
  return found;
}

/** 1, 2 and 5 times the powers of ten from `low` to `high`; fewer factors above 2 and 4 decades. */
function logTicks(low: number, high: number): number[] {
  const decades = Math.log10(high / low);
  const factors = decades > 4 ? [1] : decades > 2 ? [1, 3] : [1, 2, 5];
  const found: number[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
    found.push(...factors.map((factor) => factor * 10 ** power));
  }
  return found.filter((tick) => tick >= low && tick <= high);
}

/** @internal */
export function formatNumber(value: number): string {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) {
    return value.toExponential(2).replace(/\.?0+e/, 'e');
  }
  return String(Number(value.toPrecision(4)));
}

/** Averages neighbours until at most `kMaxPoints` remain. */
function thin(points: Series['points']): Series['points'] {
  const finite = points.filter((point) => point.every(Number.isFinite));
  if (finite.length <= kMaxPoints) return finite;
  const size = finite.length / kMaxPoints;
  return Array.from({ length: kMaxPoints }, (_, n) => {
    const group = finite.slice(Math.floor(n * size), Math.floor((n + 1) * size));
    const mean = (axis: 0 | 1) => group.reduce((sum, point) => sum + point[axis], 0) / group.length;
    return [mean(0), mean(1)] as const;
  });
}

/** Maps values to pixels along one axis. */
interface Scale {
  at(value: number): number;
  ticks: number[];
}

function linearScale(values: readonly number[], from: number, to: number, count: number): Scale {
  let [low, high] = [Math.min(...values), Math.max(...values)];
  if (low === high) [low, high] = [low - Math.abs(low) / 2 - 0.5, high + Math.abs(high) / 2 + 0.5];
  return {
    at: (value) => from + ((value - low) / (high - low)) * (to - from),
    ticks: ticks(low, high, count),
  };
}

function logScale(values: readonly number[], from: number, to: number): Scale {
  const [low, high] = [Math.min(...values) / 1.1, Math.max(...values) * 1.1];
  const span = Math.log(high / low);
  return {
    at: (value) => from + (Math.log(value / low) / span) * (to - from),
    ticks: logTicks(low, high),
  };
}

function yScale(values: readonly number[], from: number, to: number, logarithmic: boolean): Scale {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  if (logarithmic && low > 0 && high / low >= kLogRatio) return logScale(values, from, to);
  const margin = (high - low) / 20;
  return linearScale([low - margin, high + margin], from, to, 6);
}

/**
 * Draws lines over one x axis as an SVG document.
 *
 * @internal
 */
export function lineChart({ title, xLabel, series, logarithmic = true }: ChartOptions): string {
  const lines = series
    .map(({ name, points }) => ({ name, points: thin(points) }))
    .filter(({ points }) => points.length > 0);
  const [left, right] = [kMargin.left, kWidth - kMargin.right];
  const [top, bottom] = [kMargin.top, kHeight - kMargin.bottom];
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${kWidth} ${kHeight}" width="${kWidth}" height="${kHeight}" font-family="system-ui, sans-serif" font-size="12">`,
    `<title>${escapeXml(title)}</title>`,
    `<rect width="${kWidth}" height="${kHeight}" fill="#fff"/>`,
    `<text x="${left}" y="20" font-size="14" font-weight="600" fill="#222">${escapeXml(title)}</text>`,
  ];
  const all = lines.flatMap(({ points }) => [...points]);
  if (all.length > 0) {
    const xs = linearScale(
      all.map(([x]) => x),
      left,
      right,
      8,
    );
    const ys = yScale(
      all.map(([, y]) => y),
      bottom,
      top,
      logarithmic,
    );
    for (const tick of ys.ticks) {
      const y = ys.at(tick).toFixed(1);
      parts.push(
        `<path d="M${left} ${y}H${right}" stroke="#e4e4e4"/>`,
        `<text x="${left - 8}" y="${y}" dy="0.35em" text-anchor="end" fill="#555">${formatNumber(tick)}</text>`,
      );
    }
    for (const tick of xs.ticks) {
      const x = xs.at(tick).toFixed(1);
      parts.push(
        `<path d="M${x} ${bottom}v4" stroke="#888"/>`,
        `<text x="${x}" y="${bottom + 18}" text-anchor="middle" fill="#555">${formatNumber(tick)}</text>`,
      );
    }
    parts.push(
      `<path d="M${left} ${bottom}H${right}" stroke="#888"/>`,
      `<text x="${(left + right) / 2}" y="${kHeight - 8}" text-anchor="middle" fill="#555">${escapeXml(xLabel)}</text>`,
    );
    lines.forEach(({ name, points }, n) => {
      const colour = kColours[n % kColours.length]!;
      const pixels = points.map(([x, y]) => `${xs.at(x).toFixed(1)},${ys.at(y).toFixed(1)}`);
      parts.push(
        `<polyline points="${pixels.join(' ')}" fill="none" stroke="${colour}" stroke-width="1.6" stroke-linejoin="round"/>`,
      );
      if (points.length <= 60) {
        for (const pixel of pixels) {
          const [x, y] = pixel.split(',');
          parts.push(`<circle cx="${x}" cy="${y}" r="2.5" fill="${colour}"/>`);
        }
      }
      const x = right - 140 * (lines.length - n);
      parts.push(
        `<path d="M${x} 16h18" stroke="${colour}" stroke-width="3"/>`,
        `<text x="${x + 24}" y="20" fill="#222">${escapeXml(name)}</text>`,
      );
    });
  } else {
    parts.push(
      `<text x="${kWidth / 2}" y="${kHeight / 2}" text-anchor="middle" fill="#555">no data yet</text>`,
    );
  }
  parts.push('</svg>');
  return `${parts.join('\n')}\n`;
}
