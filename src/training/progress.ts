import cliProgress from 'cli-progress';
import { checkChoice, checkNames } from '../options.js';
import { formatNumber } from './chart.js';
import type { TrainReport } from './trainer-options.js';

/** Style of progress: `'auto'` is a bar on a terminal and lines elsewhere. */
export type ProgressStyle = 'auto' | 'lines' | 'json' | 'none';

/** Options of `Trainer.run`. */
export interface ProgressOptions {
  /** `'auto'` by default. */
  progress?: ProgressStyle | undefined;
  /** Standard error by default, standard output for `'json'`. */
  stream?:
    | (NodeJS.WritableStream & {
        /** Whether it is a terminal. */
        isTTY?: boolean | undefined;
      })
    | undefined;
}

/** Shows the reports of one run. */
export interface ProgressDisplay {
  show(report: TrainReport): void;
  end(): void;
}

/** `1 h 5 min`, `12 min`, `40 s`; rounded, for people. @internal */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?';
  if (seconds < 99.5) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 100 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Text of a report, without the number of steps. */
function describe(report: TrainReport): string {
  const { epoch, loss, lr, validation, persistence, metrics, samplesPerSecond, etaSeconds } =
    report;
  const beside = persistence === undefined ? '' : ` (persistence ${formatNumber(persistence)})`;
  return [
    `epoch ${epoch}`,
    `loss ${formatNumber(loss)}`,
    ...(validation === null ? [] : [`validation ${formatNumber(validation)}${beside}`]),
    ...Object.entries(metrics).map(([name, value]) => `${name} ${formatNumber(value)}`),
    `lr ${formatNumber(lr)}`,
    `${formatNumber(Number(samplesPerSecond.toPrecision(3)))} samples/s`,
    `${formatDuration(etaSeconds)} left`,
  ].join(', ');
}

/** Steps of a training, as they are made. */
export interface StepCount {
  readonly step: number;
  readonly totalSteps: number;
}

/** Milliseconds between two looks at the steps. */
const kRedrawMs = 500;

class Bar implements ProgressDisplay {
  readonly #bar: cliProgress.SingleBar;
  readonly #timer: NodeJS.Timeout;

  constructor(stream: NodeJS.WritableStream, steps: StepCount) {
    this.#bar = new cliProgress.SingleBar({
      format: '[{bar}] {value}/{total} {text}',
      barsize: 24,
      stream,
    });
    this.#bar.start(steps.totalSteps, steps.step, { text: 'first steps' });
    this.#timer = setInterval(() => this.#bar.update(steps.step), kRedrawMs).unref();
  }

  show(report: TrainReport): void {
    this.#bar.update(report.step, { text: describe(report) });
  }

  end(): void {
    clearInterval(this.#timer);
    this.#bar.stop();
  }
}

class Lines implements ProgressDisplay {
  readonly #stream: NodeJS.WritableStream;
  readonly #format: (report: TrainReport) => string;

  constructor(stream: NodeJS.WritableStream, format: (report: TrainReport) => string) {
    this.#stream = stream;
    this.#format = format;
  }

  show(report: TrainReport): void {
    this.#stream.write(`${this.#format(report)}\n`);
  }

  end(): void {}
}

/**
 * @internal
 * @throws ConvLSTMError ERR_OPTION for an unknown option
 */
export function openDisplay(options: ProgressOptions, steps: StepCount): ProgressDisplay {
  checkNames('Trainer.run', options, { progress: 'auto', stream: true });
  const styles = ['auto', 'lines', 'json', 'none'] as const;
  const progress = checkChoice('progress', options.progress ?? 'auto', styles);
  const stream = options.stream ?? (progress === 'json' ? process.stdout : process.stderr);
  if (progress === 'none') return { show() {}, end() {} };
  if (progress === 'json') return new Lines(stream, (report) => JSON.stringify(report));
  if (progress === 'auto' && stream.isTTY) return new Bar(stream, steps);
  return new Lines(
    stream,
    (report) => `step ${report.step}/${report.totalSteps}, ${describe(report)}`,
  );
}
