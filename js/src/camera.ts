/** How the surface is looked at: turned, shifted and enlarged, without perspective so that lengths can be read. */
import type { Grid, Vec3 } from './geometry';
import { middle } from './geometry';
import { type Mat3, add, apply, length, multiply, orthonormal, rotation, scaled, subtract, transpose } from './vectors';

/** Slightly from above and from the side: the shape is seen better than along an axis. */
const FIRST_VIEW = multiply(rotation([1, 0, 0], (25 * Math.PI) / 180), rotation([0, 1, 0], (-25 * Math.PI) / 180));
const MARGIN = 1.1;

export interface Ray {
  origin: Vec3;
  direction: Vec3; // unit length, away from the eye
}

export class Camera {
  rotation: Mat3 = FIRST_VIEW;
  zoom = 1;
  /** Voxels to the right and up, in the eye's axes. */
  pan: [number, number] = [0, 0];
  readonly centre: Vec3;
  readonly radius: number;
  private readonly extent: number;

  constructor(grid: Grid) {
    this.centre = middle(grid);
    this.radius = length(grid.shape) / 2;
    this.extent = Math.max(...grid.shape) * MARGIN;
  }

  reset(): void {
    [this.rotation, this.zoom, this.pan] = [FIRST_VIEW, 1, [0, 0]];
  }

  voxelsPerPixel(width: number, height: number): number {
    return this.extent / (Math.min(width, height) * this.zoom);
  }

  /** Turn as a ball under the hand: radians about the eye's vertical and horizontal axes. */
  turn(right: number, down: number): void {
    const by = multiply(rotation([1, 0, 0], down), rotation([0, 1, 0], right));
    this.rotation = orthonormal(multiply(by, this.rotation));
  }

  /** The point in the eye's axes: x right, y up, z towards the eye; voxels. */
  toEye(point: ArrayLike<number>): Vec3 {
    return add(apply(this.rotation, subtract([point[0], point[1], point[2]], this.centre)), [this.pan[0], this.pan[1], 0]);
  }

  fromEye(point: Vec3): Vec3 {
    return add(this.centre, apply(transpose(this.rotation), subtract(point, [this.pan[0], this.pan[1], 0])));
  }

  /** CSS pixels from the upper left corner, and the depth (larger: nearer to the eye). */
  project(point: ArrayLike<number>, width: number, height: number): Vec3 {
    const [x, y, z] = this.toEye(point);
    const size = this.voxelsPerPixel(width, height);
    return [width / 2 + x / size, height / 2 - y / size, z];
  }

  /** The line of sight under a pixel, from in front of everything. */
  ray(x: number, y: number, width: number, height: number): Ray {
    const size = this.voxelsPerPixel(width, height);
    const front: Vec3 = [(x - width / 2) * size, (height / 2 - y) * size, 2 * this.radius];
    return { origin: this.fromEye(front), direction: apply(transpose(this.rotation), [0, 0, -1]) };
  }

  /** A move by pixels in the plane of the screen, as voxels of the map. */
  move(dx: number, dy: number, width: number, height: number): Vec3 {
    const size = this.voxelsPerPixel(width, height);
    return apply(transpose(this.rotation), scaled([dx, -dy, 0], size));
  }

  /** Clip coordinates from voxels, sixteen numbers column by column as WebGL wants them. */
  matrix(width: number, height: number): Float32Array {
    const size = this.voxelsPerPixel(width, height);
    const r = this.rotation;
    const scale = [2 / (width * size), 2 / (height * size), -1 / (2 * this.radius)];
    const [tx, ty, tz] = this.toEye([0, 0, 0]);
    const out = new Float32Array(16);
    for (let row = 0; row < 3; row++) for (let column = 0; column < 3; column++) out[4 * column + row] = scale[row] * r[3 * row + column];
    out.set([scale[0] * tx, scale[1] * ty, scale[2] * tz, 1], 12);
    return out;
  }
}
