/** A slice's grey values as a picture, between the theme's paper and ink. */
import type { Slice } from './geometry';
import { clamp } from './geometry';
import type { Shown } from './layers';
import type { Theme } from './theme';

/** The colour of every byte, as a little-endian RGBA word. */
export function greyTable(shown: Shown, theme: Theme): Uint32Array {
  const byte = (value: number) => ((value - shown.low) / (shown.high - shown.low)) * 255;
  const [dark, bright] = shown.grey.map(byte);
  return Uint32Array.from({ length: 256 }, (_, value) => {
    const share = clamp((value - dark) / (bright - dark || 1), 0, 1);
    const [r, g, b] = theme.paper.map((paper, c) => Math.round(paper + share * (theme.ink[c] - paper)));
    return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
  });
}

/** Keeps one canvas of the slice's own size; up is up in it. */
export class GreyPicture {
  readonly canvas = document.createElement('canvas');
  private image: ImageData | null = null;

  fill(slice: Slice, table: Uint32Array): void {
    const { data, width, height } = slice;
    if (this.image?.width !== width || this.image.height !== height) {
      this.image = new ImageData(width, height);
      this.canvas.width = width;
      this.canvas.height = height;
    }
    const words = new Uint32Array(this.image.data.buffer);
    for (let v = 0; v < height; v++) {
      const [from, to] = [v * width, (height - 1 - v) * width];
      for (let u = 0; u < width; u++) words[to + u] = table[data[from + u]];
    }
    this.canvas.getContext('2d', { willReadFrequently: true })!.putImageData(this.image, 0, 0);
  }
}
