// The order of files, and their times, from their names.
import { ConvLSTMError } from '../errors.js';
import { warnOnce } from '../warn.js';
import { kReadings, kShortReadings, type TimePattern, type TimeReader } from './time-pattern.js';

const kNaturalOrder = new Intl.Collator('en', { numeric: true });

/** Sorts `f2` before `f10`; equal names, as `f01` and `f1`, by their characters. @internal */
export function compareNames(a: string, b: string): number {
  return kNaturalOrder.compare(a, b) || (a < b ? -1 : Number(a > b));
}

/** A file with a name and, once known, a time. @internal */
export interface NamedFile {
  /** Path from the source's folder, with slashes, for patterns and messages. */
  name: string;
  time: Date | null;
}

/** A reading of all names: for each file its time, and the rest of its name. */
type Reading = readonly { time: Date; rest: string }[];

const withoutExtension = (name: string) => name.replace(/\.[^./]*$/, '');

/** The last `folders` folders of a path and the file's name. */
const tail = (path: string, folders: number) =>
  path
    .split('/')
    .slice(-1 - folders)
    .join('/');

/**
 * The first place in the names at which every name has a time and not all the same one.
 *
 * @returns null without such a place
 */
function readAll(names: readonly string[], read: TimeReader): Reading | null {
  const found = names.map(read);
  const places = found.reduce((least, { length }) => Math.min(least, length), Infinity);
  for (let place = 0; place < places; place++) {
    const reading = found.flatMap((times) => times[place] ?? []);
    if (reading.length < names.length) continue;
    const distinct = new Set(reading.map(({ time }) => time.getTime())).size;
    if (distinct > 1 || names.length === 1) return reading;
  }
  return null;
}

/** Files by time, of one series each; null if two files of a series have one time. */
function splitSeries<F extends NamedFile>(files: readonly F[], reading: Reading): F[][] | null {
  const timed = files.map((file, n) => ({
    ...reading[n]!,
    file: { ...file, time: reading[n]!.time },
  }));
  timed.sort((a, b) => a.time.getTime() - b.time.getTime());
  const series = new Map<string, typeof timed>();
  for (const each of timed) {
    const part = series.get(each.rest);
    if (part) part.push(each);
    else series.set(each.rest, [each]);
  }
  const switches = timed.filter(({ rest }, n) => n > 0 && rest !== timed[n - 1]!.rest).length;
  // Two products of one folder alternate in time; one whose name changed once does not.
  const sizes = Array.from(series.values(), ({ length }) => length);
  const several = series.size > 1 && sizes.every((size) => size > 1);
  const separate = several && switches >= series.size;
  const parts = separate
    ? [...series].sort(([a], [b]) => compareNames(a, b)).map(([, part]) => part)
    : [timed];
  const distinct = parts.every((part) =>
    part.every(({ time }, n) => n === 0 || time.getTime() > part[n - 1]!.time.getTime()),
  );
  return distinct ? parts.map((part) => part.map(({ file }) => file)) : null;
}

const namesOf = (parts: readonly (readonly NamedFile[])[]) => parts.flat().map(({ name }) => name);

/** Times by a pattern that the caller gave. */
function readPattern(
  where: string,
  files: readonly NamedFile[],
  { read, folders }: TimePattern,
): Reading {
  return files.map(({ name }) => {
    const found = read(tail(name, folders)).find((time) => time !== null);
    if (found) return { ...found, rest: withoutExtension(found.rest) };
    const message = `${where}: ${name}: expected a time as timePattern says, found none`;
    throw new ConvLSTMError('ERR_OPTION', message);
  });
}

/** Files by a pattern that the caller gave. */
function orderByPattern<F extends NamedFile>(
  where: string,
  files: readonly F[],
  pattern: TimePattern,
): F[][] {
  const parts = splitSeries(files, readPattern(where, files, pattern));
  if (parts !== null) return parts;
  const message = `${where}: timePattern: expected a different time in each name, found some twice`;
  throw new ConvLSTMError('ERR_OPTION', message);
}

/** Files by a date with the year last, or in natural order where nothing contradicts it. */
function orderByYearLast<F extends NamedFile>(
  where: string,
  files: readonly F[],
  names: readonly string[],
): F[][] | null {
  const ways = (['dayFirst', 'monthFirst'] as const).flatMap((way) => {
    const reading = readAll(names, kReadings[way]);
    const parts = reading && splitSeries(files, reading);
    return parts ? [{ way, parts, names: namesOf(parts).join('\n') }] : [];
  });
  const [one, other] = ways;
  if (one === undefined) return null;
  const example = files[0]!.name;
  if (other === undefined) {
    if (one.names !== namesOf([files]).join('\n')) {
      const order = one.way === 'dayFirst' ? 'day, month, year' : 'month, day, year';
      const message = `${where}: the files are ordered by the dates in their names, read as ${order} (${example}); timePattern settles it`;
      warnOnce('CONVLSTM_TIME_ORDER', message);
    }
    return one.parts;
  }
  if (one.names !== other.names) {
    throw new ConvLSTMError(
      'ERR_OPTION',
      `${where}: names such as ${example} have another order as day, month, year than as month, day, year: ` +
        `set timePattern, such as '{dd}{MM}{yyyy}', or give a list of files`,
    );
  }
  return one.parts.map((part) => part.map((file) => ({ ...file, time: null })));
}

/**
 * Puts the files of one folder in order: by the times in their names if every name has one and they are
 * not ambiguous, else in natural order. Files of several series in one folder come series by series.
 *
 * @throws ConvLSTMError ERR_OPTION for names that the pattern does not fit or that are ambiguous
 * @internal
 */
export function orderFiles<F extends NamedFile>(
  where: string,
  unordered: readonly F[],
  pattern: TimePattern | null,
): F[][] {
  const files = [...unordered].sort((a, b) => compareNames(a.name, b.name));
  if (pattern !== null) return orderByPattern(where, files, pattern);
  const names = files.map(({ name }) => withoutExtension(tail(name, 0)));
  for (const way of ['yearFirst', 'monthName'] as const) {
    const reading = readAll(names, kReadings[way]);
    const parts = reading && splitSeries(files, reading);
    if (parts) return parts;
  }
  const parts = orderByYearLast(where, files, names);
  if (parts !== null) return parts;
  warnOfSome(where, files, names);
  warnOfShortYears(where, files, names);
  return [files];
}

/** Tells of six digits that read as dates, closest together as ones whose order is not that of names. */
function warnOfShortYears(where: string, files: readonly NamedFile[], names: readonly string[]) {
  const ways = Object.entries(kShortReadings).flatMap(([pattern, read]) => {
    const times = readAll(names, read)?.map(({ time }) => time.getTime());
    if (times === undefined) return [];
    const inOrder = times.every((time, n) => n === 0 || time >= times[n - 1]!);
    const sorted = times.toSorted((a, b) => a - b);
    return [{ pattern, inOrder, span: sorted.at(-1)! - sorted[0]! }];
  });
  const [closest] = ways.sort((a, b) => a.span - b.span);
  if (closest === undefined || closest.inOrder) return;
  const message =
    `${where}: frames are in the order of names, which is another than that of dates if ${files[0]!.name} has ` +
    `one as ${closest.pattern}: timePattern or a list of files gives the order`;
  warnOnce('CONVLSTM_TIME_ORDER', message);
}

/** Tells of names without a time among names with one: they may be no frames of the sequence. */
function warnOfSome(where: string, files: readonly NamedFile[], names: readonly string[]): void {
  const without = files.filter((_, n) => kReadings.yearFirst(names[n]!).length === 0);
  if (without.length === 0 || without.length === names.length) return;
  const message =
    `${where}: ${without.length} of ${names.length} names have no time (${without[0]!.name}): ` +
    'frames are in the order of names, and gaps are not seen';
  warnOnce('CONVLSTM_TIMES', message);
}

/**
 * Times of a list of files, whose order is the caller's.
 *
 * @throws ConvLSTMError ERR_OPTION for a name that the pattern does not fit
 * @internal
 */
export function timesOfList(
  files: readonly NamedFile[],
  pattern: TimePattern | null,
): (Date | null)[] {
  if (files.length === 0) return [];
  if (pattern !== null) {
    return readPattern('list', files, pattern).map(({ time }) => time);
  }
  const names = files.map(({ name }) => withoutExtension(tail(name, 0)));
  const last = [kReadings.dayFirst, kReadings.monthFirst].map((read) => readAll(names, read));
  const ambiguous = last.every((reading) => reading !== null);
  const reading =
    readAll(names, kReadings.yearFirst) ??
    readAll(names, kReadings.monthName) ??
    (ambiguous ? null : (last[0] ?? last[1]));
  return files.map((_, n) => reading?.[n]?.time ?? null);
}
