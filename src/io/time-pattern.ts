// Times in the names of files.
import { refuseOption } from '../options.js';

const kMonths = [
  'jan',
  'feb',
  'mar',
  'apr',
  'may',
  'jun',
  'jul',
  'aug',
  'sep',
  'oct',
  'nov',
  'dec',
];

/** Fields of a pattern. Case-insensitive month names; DDD is the day of the year, 001 to 366. */
const kFields: Readonly<Record<string, string>> = {
  yyyy: '(?<yyyy>\\d{4})',
  yy: '(?<yy>\\d{2})',
  MMM: `(?<MMM>${kMonths.join('|')})`,
  MM: '(?<MM>\\d{2})',
  DDD: '(?<DDD>\\d{3})',
  dd: '(?<dd>\\d{2})',
  HH: '(?<HH>\\d{2})',
  mm: '(?<mm>\\d{2})',
  ss: '(?<ss>\\d{2})',
};

/** UTC; null for fields that are no date, such as month 13. */
function timeOf(fields: Readonly<Record<string, string | undefined>>): Date | null {
  const number = (name: string, otherwise: number) => Number(fields[name] ?? otherwise);
  const year = fields['yy']
    ? 2000 + number('yy', 0) - (number('yy', 0) < 70 ? 0 : 100)
    : number('yyyy', 0);
  const dayOfYear = fields['DDD'];
  const month = fields['MMM'] ? kMonths.indexOf(fields['MMM'].toLowerCase()) : number('MM', 1) - 1;
  const day = dayOfYear ? Number(dayOfYear) : number('dd', 1);
  const [hour, minute, second] = [number('HH', 0), number('mm', 0), number('ss', 0)];
  const time = new Date(
    Date.UTC(year, dayOfYear ? 0 : month, day, hour, minute, second, number('ms', 0)),
  );
  // Date.UTC carries the 31st of June over to July, and takes years below 100 for the 20th century.
  const exact =
    time.getUTCFullYear() === year &&
    (dayOfYear ? day > 0 : time.getUTCMonth() === month && time.getUTCDate() === day) &&
    time.getUTCHours() === hour &&
    time.getUTCMinutes() === minute &&
    time.getUTCSeconds() === second;
  return exact ? time : null;
}

/** Where a name has a time. @internal */
export interface FoundTime {
  time: Date;
  /** The name without the time: equal for the files of one series. */
  rest: string;
}

/** Reads the times in a name: each place where it may be. Null: a place with no valid date. @internal */
export type TimeReader = (name: string) => (FoundTime | null)[];

function readerOf(expression: RegExp, isYear = (_: number) => true): TimeReader {
  return (name) =>
    [...name.matchAll(expression)].map((match) => {
      const fields = match.groups!;
      // 2024-6-3 is a date, 202463 is not.
      const short = fields['s'] === '' && [fields['MM'], fields['dd']].some((f) => f?.length === 1);
      const time = short ? null : timeOf(fields);
      if (time === null || !isYear(time.getUTCFullYear())) return null;
      return { time, rest: name.slice(0, match.index) + name.slice(match.index + match[0].length) };
    });
}

/** A pattern for times in names. @internal */
export interface TimePattern {
  read: TimeReader;
  /** Folders of a path that the pattern spans: the number of its slashes. */
  folders: number;
}

/**
 * Compiles a pattern such as `radar_{yyyy}{MM}{dd}_{HH}{mm}`. `*` is any text without slashes.
 *
 * @throws ConvLSTMError ERR_OPTION
 * @internal
 */
export function compileTimePattern(name: string, pattern: string): TimePattern {
  const expected = `text with ${Object.keys(kFields)
    .map((field) => `{${field}}`)
    .join(', ')}, such as '{yyyy}{MM}{dd}{HH}{mm}'`;
  if (typeof pattern !== 'string') refuseOption(name, expected, pattern);
  const seen = new Set<string>();
  const parts = pattern.split(/(\{[^}]*\}|\*)/).filter((part) => part !== '');
  const isField = (part: string | undefined) => part?.startsWith('{') && part !== '{MMM}';
  const source = parts.map((part) => {
    if (part === '*') return '[^/]*?';
    const field = /^\{(.*)\}$/.exec(part)?.[1];
    if (field === undefined) return part.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
    if (!Object.hasOwn(kFields, field) || seen.has(field)) refuseOption(name, expected, pattern);
    seen.add(field);
    return kFields[field]!;
  });
  const hasDay = !seen.has('dd') || seen.has('MM') || seen.has('MMM');
  const hasYear = seen.has('yyyy') !== seen.has('yy');
  const twice = (seen.has('MM') && seen.has('MMM')) || (seen.has('DDD') && seen.has('dd'));
  if (!hasYear || !hasDay || twice)
    refuseOption(name, `a year and a month for a day in ${expected}`, pattern);
  // Digits beside a field would be part of the number: {HH}{mm} is not the first half of 000512.
  const [before, after] = [
    isField(parts[0]) ? '(?<!\\d)' : '',
    isField(parts.at(-1)) ? '(?!\\d)' : '',
  ];
  const expression = new RegExp(before + source.join('') + after, 'gi');
  return { read: readerOf(expression), folders: pattern.split('/').length - 1 };
}

/** An hour without minutes follows T or the date's own digits: `_12` may be a number of frames. */
const kClock =
  '(?:(?:T|[_. ;-](?=\\d{2}[-:_.]?\\d{2})|)(?<HH>\\d{2})' +
  '(?:[-:_.]?(?<mm>\\d{2})(?:[-:_.]?(?<ss>\\d{2})(?:[.,](?<ms>\\d{3}))?)?)?)?';
const kSeparator = '(?<s>[-_.]?)';
const isRecent = (year: number) => year >= 1900 && year < 2100;
const reader = (date: string) =>
  readerOf(new RegExp(`(?<!\\d)${date}${kClock}Z?(?!\\d)`, 'gi'), isRecent);

/**
 * The ways in which a name without a pattern may have a time. A year between 1900 and 2099 tells the year
 * first from the year last: ddMMyyyy has 19 or 20 where yyyyMMdd has the month.
 *
 * @internal
 */
export const kReadings = {
  yearFirst: reader(`(?<yyyy>\\d{4})${kSeparator}(?<MM>\\d{1,2})\\k<s>(?<dd>\\d{1,2})`),
  monthName: reader(`(?<dd>\\d{1,2})[-_. ]?(?<MMM>${kMonths.join('|')})[-_. ]?(?<yyyy>\\d{4})`),
  dayFirst: reader(`(?<dd>\\d{1,2})${kSeparator}(?<MM>\\d{1,2})\\k<s>(?<yyyy>\\d{4})`),
  monthFirst: reader(`(?<MM>\\d{1,2})${kSeparator}(?<dd>\\d{1,2})\\k<s>(?<yyyy>\\d{4})`),
} satisfies Record<string, TimeReader>;

/**
 * Readings with a year of two digits. Any six digits may be one, so that they are no more than a reason
 * for a warning.
 *
 * @internal
 */
export const kShortReadings = {
  '{yy}{MM}{dd}': reader(`(?<yy>\\d{2})${kSeparator}(?<MM>\\d{2})\\k<s>(?<dd>\\d{2})`),
  '{dd}{MM}{yy}': reader(`(?<dd>\\d{2})${kSeparator}(?<MM>\\d{2})\\k<s>(?<yy>\\d{2})`),
  '{MM}{dd}{yy}': reader(`(?<MM>\\d{2})${kSeparator}(?<dd>\\d{2})\\k<s>(?<yy>\\d{2})`),
} satisfies Record<string, TimeReader>;
