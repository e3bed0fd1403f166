/** What this package uses of gifenc, which ships no types. */
declare module 'gifenc' {
  export interface FrameOptions {
    /** Colours as [r, g, b]; the first frame's are the file's. */
    palette?: [number, number, number][];
    /** Milliseconds. */
    delay?: number;
  }
  export interface Encoder {
    writeFrame(index: Uint8Array, width: number, height: number, options: FrameOptions): void;
    finish(): void;
    bytes(): Uint8Array;
  }
  const gifenc: { GIFEncoder(): Encoder };
  export default gifenc;
}
