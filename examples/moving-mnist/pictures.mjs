// Arranges grey frames in one picture.

const kGap = 2;

/** A picture of one grey value. */
function blank(height, width, value) {
  return { data: new Float32Array(height * width).fill(value), shape: [height, width] };
}

/** Copies `frame` into `picture`, each pixel as a square of `zoom` pixels. */
function paste(picture, frame, size, zoom, top, left) {
  const width = picture.shape[1];
  for (let y = 0; y < size * zoom; y++) {
    for (let x = 0; x < size * zoom; x++) {
      const pixel = frame[Math.floor(y / zoom) * size + Math.floor(x / zoom)];
      picture.data[(top + y) * width + left + x] = pixel;
    }
  }
}

/**
 * Rows of square frames as one picture { data, shape }, with lines of the value `line` around each.
 *
 * @param {Float32Array[][]} rows frames of size * size values 0..1
 */
export function grid(rows, { size, zoom, line }) {
  const pitch = size * zoom + kGap;
  const picture = blank(rows.length * pitch + kGap, rows[0].length * pitch + kGap, line);
  rows.forEach((frames, row) => {
    frames.forEach((frame, column) => {
      paste(picture, frame, size, zoom, row * pitch + kGap, column * pitch + kGap);
    });
  });
  return picture;
}
