// Which axis of an array of frames is what.
import { ConvLSTMError } from '../errors.js';
import { refuseOption } from '../options.js';

/** Axes of frames: sequences, time, channels, height, width. */
const kAxes = ['N', 'T', 'C', 'H', 'W'] as const;

/** Sizes or strides by axis. @internal */
export type ByAxis = Record<(typeof kAxes)[number], number>;

/** Layouts by number of axes; index 0 is for two. */
const kDefaults = ['HW', 'THW', 'TCHW', 'NTCHW'];

/** More channels than this are another axis, mostly, such as Moving MNIST's [T, N, H, W]. */
const kMostChannels = 16;

/** @throws ConvLSTMError ERR_OPTION @internal */
export function checkLayout(name: string, layout: string): string {
  const letters = typeof layout === 'string' ? [...layout] : [];
  const known = letters.every((letter) => (kAxes as readonly string[]).includes(letter));
  const isLayout =
    known &&
    new Set(letters).size === letters.length &&
    letters.includes('H') &&
    letters.includes('W');
  if (!isLayout) {
    const expected = "H, W and any of N, T and C, in the order of the array's axes, as 'TCHW'";
    refuseOption(name, expected, layout);
  }
  return layout;
}

/**
 * Sizes and strides by axis, of an array of frames. An absent axis has size 1.
 *
 * @param layout the caller's, or null for [H, W], [T, H, W], [T, C, H, W], [N, T, C, H, W]
 * @throws ConvLSTMError ERR_FORMAT for another number of axes, ERR_OPTION for a shape that needs a layout
 * @internal
 */
export function splitAxes(
  name: string,
  shape: readonly number[],
  strides: readonly number[],
  layout: string | null,
): { sizes: ByAxis; strides: ByAxis } {
  const letters = layout ?? kDefaults[shape.length - 2];
  const listed = `[${shape.join(', ')}]`;
  if (letters?.length !== shape.length) {
    const expected =
      layout === null
        ? 'frames [H, W], [T, H, W], [T, C, H, W] or [N, T, C, H, W]'
        : `${layout.length} axes, as layout '${layout}' has`;
    throw new ConvLSTMError('ERR_FORMAT', `${name}: expected ${expected}, got ${listed}`);
  }
  if (shape.includes(0)) {
    throw new ConvLSTMError('ERR_FORMAT', `${name}: expected frames, got an empty ${listed}`);
  }
  if (layout === null) refuseUnlikely(name, shape, letters);
  const sizes: ByAxis = { N: 1, T: 1, C: 1, H: 1, W: 1 };
  const steps: ByAxis = { N: 0, T: 0, C: 0, H: 0, W: 0 };
  [...letters].forEach((letter, axis) => {
    sizes[letter as keyof ByAxis] = shape[axis]!;
    steps[letter as keyof ByAxis] = strides[axis]!;
  });
  return { sizes, strides: steps };
}

/** Asks for the layout of shapes that mostly have another one: silence would train on nonsense. */
function refuseUnlikely(name: string, shape: readonly number[], letters: string): void {
  if (shape.length < 3) return;
  const channels = letters.includes('C') ? shape.at(-3)! : 1;
  const [height, width] = shape.slice(-2) as [number, number];
  const narrow = width <= 4 && height > kMostChannels;
  if (channels <= kMostChannels && !narrow) return;
  const got = narrow ? `${width} columns` : `${channels} channels`;
  const ways = narrow
    ? `'${letters.slice(0, Math.max(0, shape.length - 3)).replace('C', '')}HWC', channels last`
    : "'TNHW', N sequences of T frames; 'NTHW', the sequences first";
  throw new ConvLSTMError(
    'ERR_OPTION',
    `${name}: [${shape.join(', ')}] read as [${[...letters].join(', ')}] has ${got}; ` +
      `set the option layout: ${ways}; or '${letters}', if it is right`,
  );
}
