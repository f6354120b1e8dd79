/**
 * Pointer tools: what a press, a drag and a click in a picture do.
 *
 * Every picture (three slices, the surface) asks the viewer's tool first. A tool that answers `press`
 * with true owns the stroke until its release; the picture's own ways (turn the surface, move the
 * cross-hair) are left out. A brush, a region picker or a movable point is a tool, see `Viewer.tool`.
 */
import type { Ray } from './camera';
import type { Plane, Vec3 } from './geometry';
import type { Theme } from './theme';

/** Where the pointer is. Places are voxels of the first map, with fractions. */
export interface PointerAt {
  view: 'xy' | 'xz' | 'yz' | '3d';
  /** On a slice: the place under the pointer. On the surface picture: the surface there, null beside it. */
  voxel: Vec3 | null;
  /** The layer whose surface was met; only in 3D. */
  layer: string | null;
  /** The line of sight; only in 3D. */
  ray: Ray | null;
  /** CSS pixels from the picture's upper left corner. */
  x: number;
  y: number;
  pixelsPerVoxel: number;
  event: PointerEvent;
}

/** What a tool needs to draw over a picture, in CSS pixels. */
export interface Overlay {
  view: PointerAt['view'];
  plane: Plane | null;
  context: CanvasRenderingContext2D;
  width: number;
  height: number;
  theme: Theme;
  /** The screen place of a voxel, and how far before (+) or behind the picture's plane it is, in voxels. */
  project(voxel: ArrayLike<number>): Vec3;
  pixelsPerVoxel: number;
}

/** A ball drawn in the surface picture; radius in voxels. */
export interface Ball {
  centre: Vec3;
  radius: number;
  colour: string;
  opacity: number;
}

export interface PointerTool {
  /** CSS cursor over the pictures; may depend on where the pointer is. */
  cursor(at: PointerAt | null): string;
  /** The left button went down. True: this stroke is the tool's. */
  press(at: PointerAt): boolean;
  drag?(at: PointerAt): void;
  /** The button came up, or (`cancelled`) Escape was pressed or the stroke was broken off. */
  release?(at: PointerAt, cancelled: boolean): void;
  /** Moved without a button; null: the pointer left the picture. */
  hover?(at: PointerAt | null): void;
  /** The wheel turned by so many notches. True: taken. */
  wheel?(at: PointerAt | null, notches: number, event: WheelEvent): boolean;
  /** A key over a picture that has the focus. True: taken. */
  key?(event: KeyboardEvent, view: PointerAt['view']): boolean;
  /** Draw over a picture, after everything else. */
  paint?(overlay: Overlay): void;
  /** Balls in the surface picture. */
  balls?(theme: Theme): Ball[];
}

/** The tool of a viewer that only shows. */
export const LOOK: PointerTool = { cursor: at => (at && at.view === '3d' ? 'grab' : 'crosshair'), press: () => false };
