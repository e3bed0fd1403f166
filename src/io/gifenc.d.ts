/** Types of the part of gifenc in use; the package has none. */
declare module 'gifenc' {
  export interface FrameOptions {
    /** Colours [r, g, b]; the first frame's become the file's palette. */
    palette?: [number, number, number][];
    /** Duration of the frame, ms. */
    delay?: number;
  }
  export interface Encoder {
    writeFrame(index: Uint8Array, width: number, height: number, options: FrameOptions): void;
    finish(): void;
    bytes(): Uint8Array;
  }
  interface Gifenc {
    GIFEncoder(): Encoder;
  }
  /** Node sees CommonJS's exports as the default alone; bundlers see the names of the ES module. */
  export const GIFEncoder: Gifenc['GIFEncoder'] | undefined;
  const gifenc: Gifenc;
  export default gifenc;
}
