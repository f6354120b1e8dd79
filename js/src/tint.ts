/** A coloured veil over a slice: one colour and opacity for each of the 256 bytes. */
import { type Plane, type Slice, type Volume, extractSlice } from './geometry';
import { GreyPicture } from './grey';
import type { Overlay } from './tools';

/** A little-endian RGBA word. */
export function rgbaWord([red, green, blue]: readonly number[], opacity: number): number {
  return ((Math.round(255 * opacity) << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

interface Kept {
  key: string;
  slice: Slice | null;
  picture: GreyPicture;
}

export class Tint {
  private readonly kept = new Map<string, Kept>();

  /** Draw the slice at a voxel; `key` changes with the volume's data and the table. */
  paint(overlay: Overlay, volume: Volume, plane: Plane, at: number, key: string, table: () => Uint32Array): void {
    const wanted = `${at} ${key}`;
    let kept = this.kept.get(plane.name);
    if (kept?.key !== wanted) {
      const slice = extractSlice(volume, plane, at);
      kept = { key: wanted, slice, picture: kept?.picture ?? new GreyPicture() };
      if (slice) kept.picture.fill(slice, table());
      this.kept.set(plane.name, kept);
    }
    const { slice, picture } = kept;
    if (!slice) return;
    const edge = slice.scale / 2;
    const corner = [at, at, at];
    corner[plane.right] = slice.right - edge;
    corner[plane.up] = slice.up + (slice.height - 1) * slice.scale + edge;
    const [left, top] = overlay.project(corner);
    const size = slice.scale * overlay.pixelsPerVoxel;
    const { context } = overlay;
    context.imageSmoothingEnabled = false;
    context.drawImage(picture.canvas, left, top, slice.width * size, slice.height * size);
    context.imageSmoothingEnabled = true;
  }
}
