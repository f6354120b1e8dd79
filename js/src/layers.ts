/** The maps and masks that a viewer shows, each with its volume, its colour and its level. */
import { type Plane, type Slice, type Vec3, type Volume, extractSlice } from './geometry';
import { valueAt } from './ray';
import type { Theme } from './theme';
import { type Mat3, apply, subtract, transpose } from './vectors';

/** What people choose about a layer; what a notebook sees of it. */
export interface Style {
  id: string;
  name: string;
  kind: 'map' | 'mask';
  /** `#rrggbb`; empty: the theme's colour for its kind. */
  colour: string;
  opacity: number;
  visible: boolean;
  /** Contour level in the map's own units. */
  level: number;
}

/** An 8-bit volume and what its numbers stand for. */
export interface Shown extends Volume {
  /** Values of the map that 0 and 255 stand for. */
  low: number;
  high: number;
  /** Values shown as the darkest and the brightest grey. */
  grey: [number, number];
  mean: number;
  deviation: number;
}

/** A turn about a point (voxels of the first map): the layer is shown moved by it. */
export interface Motion {
  turn: Mat3;
  about: Vec3;
}

export class Layer {
  volume: Shown | null = null;
  motion: Motion | null = null;
  /** Grows with every change of the volume's data. */
  version = 0;
  /** Where it is drawn, and whether the list of layers names it. */
  inSlices = true;
  inSurface = true;
  isListed = true;
  /** The theme's colour for it while it has none of its own. */
  themeColour: 'map' | 'mask' | 'swing';

  /** `volumeId` names the volume whose surface it shows; several layers may share one. */
  constructor(public style: Style, readonly volumeId = style.id) {
    this.themeColour = style.kind;
  }

  get id(): string {
    return this.style.id;
  }

  colour(theme: Theme): string {
    return this.style.colour || theme[this.themeColour];
  }

  /** The contour level on the scale of the bytes, fractions kept. */
  byteLevel(): number {
    return this.volume ? this.toByte(this.style.level) : NaN;
  }

  toByte(value: number): number {
    const { low, high } = this.volume!;
    return ((value - low) / (high - low)) * 255;
  }

  /** The slice at a voxel of the first map, moved as the layer is. */
  slice(plane: Plane, voxel: number): Slice | null {
    if (!this.volume) return null;
    return this.motion ? movedSlice(this.volume, plane, voxel, this.motion) : extractSlice(this.volume, plane, voxel);
  }
}

/** The slice through a volume that has been turned about a point. */
export function movedSlice(volume: Volume, plane: Plane, voxel: number, motion: Motion): Slice {
  const { shape, scale, offset } = volume;
  const [width, height] = [shape[plane.right], shape[plane.up]];
  const data = new Uint8Array(width * height);
  const back = transpose(motion.turn);
  const start: Vec3 = [0, 0, 0];
  start[plane.normal] = voxel;
  start[plane.right] = offset[plane.right];
  start[plane.up] = offset[plane.up];
  const turned = apply(back, subtract(start, motion.about));
  const from = turned.map((value, axis) => (value + motion.about[axis] - offset[axis]) / scale);
  const [r, u] = [plane.right, plane.up];
  for (let v = 0, to = 0; v < height; v++) {
    for (let h = 0; h < width; h++, to++) {
      const value = valueAt(volume, from[0] + back[r] * h + back[u] * v, from[1] + back[3 + r] * h + back[3 + u] * v, from[2] + back[6 + r] * h + back[6 + u] * v);
      data[to] = value > 0 ? value : 0;
    }
  }
  return { data, width, height, scale, right: offset[r], up: offset[u] };
}
