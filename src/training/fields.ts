/**
 * Fields of a configuration. Each checks a value and describes the check in JSON Schema: the shipped
 * schema and the messages of the command line have one source.
 */
import { refuseOption } from '../options.js';

/** A JSON Schema (draft 2020-12). */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** One value of a configuration; `T` is the type of the checked value. */
export interface Field<T> {
  schema: JsonSchema;
  /** Whether it may be left out. */
  optional: boolean;
  /**
   * Returns the checked value, the default for undefined.
   *
   * @param path name of the value in messages: `optimizer.lr`
   * @throws ConvLSTMError ERR_OPTION that names the field, what was expected and what was given
   */
  parse(path: string, value: unknown): T;
}

/** Type of a field's checked value. */
export type ValueOf<F> = F extends Field<infer T> ? T : never;

interface FieldOptions<T> {
  description: string;
  default?: T;
}

/** A field whose check is `test`. */
function simple<T>(
  options: FieldOptions<T>,
  expected: string,
  schema: JsonSchema,
  test: (value: unknown) => boolean,
): Field<T> {
  const { description } = options;
  const optional = 'default' in options;
  return {
    schema: { description, ...schema, ...(optional ? { default: options.default } : {}) },
    optional,
    parse(path, value) {
      if (value === undefined && optional) return options.default as T;
      if (!test(value)) refuseOption(path, expected, value);
      return value as T;
    },
  };
}

const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) > 0;

/** A positive integer. */
export function count(options: FieldOptions<number>): Field<number> {
  const schema = { type: 'integer', minimum: 1 };
  return simple(options, 'a positive integer', schema, isCount);
}

/** A positive integer, or null. */
export function countOrNull(options: FieldOptions<number | null>): Field<number | null> {
  const schema = { type: ['integer', 'null'], minimum: 1 };
  const test = (value: unknown) => value === null || isCount(value);
  return simple(options, 'a positive integer or null', schema, test);
}

/** An integer of at least 0. */
export function natural(options: FieldOptions<number>): Field<number> {
  const schema = { type: 'integer', minimum: 0 };
  const test = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0;
  return simple(options, 'an integer of at least 0', schema, test);
}

/** Bounds of a number; none by default. */
interface Bounds {
  /** Exclusive lower bound. */
  above?: number;
  /** Inclusive lower bound. */
  least?: number;
  /** Inclusive upper bound. */
  most?: number;
  /** Exclusive upper bound. */
  below?: number;
}

/** A number in a range. */
export function number(options: FieldOptions<number> & Bounds): Field<number> {
  const { above, least, most, below } = options;
  const words = [
    above === undefined ? [] : [`above ${above}`],
    least === undefined ? [] : [`of at least ${least}`],
    most === undefined ? [] : [`of at most ${most}`],
    below === undefined ? [] : [`below ${below}`],
  ].flat();
  const schema = {
    type: 'number',
    ...(above === undefined ? {} : { exclusiveMinimum: above }),
    ...(least === undefined ? {} : { minimum: least }),
    ...(most === undefined ? {} : { maximum: most }),
    ...(below === undefined ? {} : { exclusiveMaximum: below }),
  };
  return simple(options, ['a number', words.join(' and ')].join(' ').trim(), schema, (value) => {
    if (typeof value !== 'number' || !Number.isFinite(value)) return false;
    return !(
      (above !== undefined && value <= above) ||
      (least !== undefined && value < least) ||
      (most !== undefined && value > most) ||
      (below !== undefined && value >= below)
    );
  });
}

/** A number above 0, or null. */
export function positiveOrNull(options: FieldOptions<number | null>): Field<number | null> {
  const schema = { type: ['number', 'null'], exclusiveMinimum: 0 };
  const test = (value: unknown) =>
    value === null || (Number.isFinite(value) && (value as number) > 0);
  return simple(options, 'a number above 0 or null', schema, test);
}

/** Text that `check` accepts, or null. It refuses other text with the path in its message. */
export function textOrNull(
  options: FieldOptions<string | null>,
  check: (path: string, text: string) => unknown,
): Field<string | null> {
  const schema = { type: ['string', 'null'] };
  const isText = (value: unknown) => value === null || typeof value === 'string';
  const field = simple(options, 'text or null', schema, isText);
  return {
    ...field,
    parse(path, value) {
      const text = field.parse(path, value);
      if (text !== null) check(path, text);
      return text;
    },
  };
}

/** Any number, or null. */
export function numberOrNull(options: FieldOptions<number | null>): Field<number | null> {
  const test = (value: unknown) => value === null || Number.isFinite(value);
  return simple(options, 'a number or null', { type: ['number', 'null'] }, test);
}

/** Any number, a word, or null. */
export function numberOrWord<const W extends string>(
  word: W,
  options: FieldOptions<number | NoInfer<W> | null>,
): Field<number | W | null> {
  const test = (value: unknown) => value === null || value === word || Number.isFinite(value);
  const schema = { oneOf: [{ type: ['number', 'null'] }, { const: word }] };
  return simple<number | W | null>(options, `a number, '${word}' or null`, schema, test);
}

/** True or false. */
export function flag(options: FieldOptions<boolean>): Field<boolean> {
  const test = (value: unknown) => typeof value === 'boolean';
  return simple(options, 'true or false', { type: 'boolean' }, test);
}

/** One of a list of words. */
export function choice<const W extends string>(
  words: readonly W[],
  options: FieldOptions<NoInfer<W>>,
): Field<W> {
  const quoted = words.map((word) => `'${word}'`);
  const expected = [quoted.slice(0, -1).join(', '), quoted.at(-1)].filter(Boolean).join(' or ');
  return simple(options, expected, { enum: words }, (value) => words.includes(value as W));
}

/** Two numbers of at least 0, called `names` in messages: `slowest, fastest`. */
export function pair(
  options: FieldOptions<readonly [number, number]> & { names: string },
): Field<readonly [number, number]> {
  const { names, ...others } = options;
  const items = { type: 'number', minimum: 0 };
  const schema = { type: 'array', items, minItems: 2, maxItems: 2 };
  const isNumber = (entry: unknown) => Number.isFinite(entry) && (entry as number) >= 0;
  return simple(others, `[${names}]`, schema, (value) => isPairOf(value, isNumber));
}

/** [height, width], or null. */
export function sizeOrNull(
  options: FieldOptions<readonly [number, number] | null>,
): Field<readonly [number, number] | null> {
  const items = { type: 'integer', minimum: 1 };
  const schema = { type: ['array', 'null'], items, minItems: 2, maxItems: 2 };
  const test = (value: unknown) => value === null || isPairOf(value, isCount);
  return simple(options, '[height, width] or null', schema, test);
}

function isPairOf(value: unknown, test: (entry: unknown) => boolean): boolean {
  return Array.isArray(value) && value.length === 2 && value.every(test);
}

/** Fields by name. */
export type Fields = Readonly<Record<string, Field<unknown>>>;

/** The values of fields by name. */
export type ValuesOf<F extends Fields> = { readonly [Name in keyof F]: ValueOf<F[Name]> };

const join = (path: string, name: string) => (path === '' ? name : `${path}.${name}`);

function asObject(path: string, value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    refuseOption(path || 'the configuration', 'an object', value);
  }
  return value as Record<string, unknown>;
}

/** An object of these fields and no others; optional if all of them are. */
export function object<F extends Fields>(fields: F, description: string): Field<ValuesOf<F>> {
  const names = Object.keys(fields);
  const required = names.filter((name) => !fields[name]!.optional);
  return {
    schema: {
      description,
      type: 'object',
      properties: Object.fromEntries(names.map((name) => [name, fields[name]!.schema])),
      ...(required.length > 0 ? { required } : {}),
      additionalProperties: false,
    },
    optional: required.length === 0,
    parse(path, value) {
      const given = value === undefined && required.length === 0 ? {} : asObject(path, value);
      for (const name of Object.keys(given)) {
        if (!names.includes(name)) {
          refuseOption(join(path, name), `one of the fields ${names.join(', ')}`, given[name]);
        }
      }
      const entries = names.map((name) => [
        name,
        fields[name]!.parse(join(path, name), given[name]),
      ]);
      return Object.fromEntries(entries) as ValuesOf<F>;
    },
  };
}

/** Rows by the value of the field `kind`. */
type Variants = Readonly<
  Record<
    string,
    {
      readonly fields: Fields;
      /** Refuses values that contradict each other. `path`: name of the object in messages. */
      check?(path: string, values: object): void;
    }
  >
>;

/** Type of the checked object: one of the rows. */
export type VariantOf<V extends Variants> = {
  [Kind in keyof V]: { readonly kind: Kind } & ValuesOf<V[Kind]['fields']>;
}[keyof V];

/** One of several objects, chosen by `kind`. */
export function variants<V extends Variants>(
  kinds: V,
  options: { description: string; default?: keyof V & string },
): Field<VariantOf<V>> {
  const words = Object.keys(kinds);
  const kind = choice(words, { description: 'Kind' });
  const objects = new Map(
    words.map((word) => [word, object({ ...kinds[word]!.fields, kind }, options.description)]),
  );
  const oneOf = words.map((word) => {
    const { properties, required = [], ...others } = objects.get(word)!.schema;
    delete (properties as Record<string, unknown>)['kind'];
    return {
      ...others,
      properties: { kind: { const: word }, ...(properties as object) },
      required: ['kind', ...(required as string[]).filter((name) => name !== 'kind')],
    };
  });
  return {
    schema: { description: options.description, oneOf },
    optional: options.default !== undefined,
    parse(path, value) {
      const given =
        value === undefined && options.default !== undefined
          ? { kind: options.default }
          : asObject(path, value);
      const word = kind.parse(join(path, 'kind'), given['kind']);
      const values = objects.get(word)!.parse(path, given) as VariantOf<V>;
      kinds[word]!.check?.(path, values);
      return values;
    },
  };
}
