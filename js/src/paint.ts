/** Draws one slice with its outlines, cross-hair, fulcrum and scale bar on a 2D canvas. */
import { AXES, type Grid, type Plane, type Slice, type Vec3, type Window2D, scaleBarAngstrom, toScreen } from './geometry';
import { write } from './label';
import { chained } from './outline';
import type { Theme } from './theme';

/** The line of a layer on a slice, in the slice's own voxels. */
export interface Line {
  pieces: number[];
  slice: Slice;
  colour: string;
  opacity: number;
  width: number;
  dashed: boolean;
}

export interface Scene {
  plane: Plane;
  grid: Grid;
  window: Window2D;
  grey: { canvas: HTMLCanvasElement; slice: Slice } | null;
  lines: Line[];
  cursor: Vec3;
  fulcrum: Vec3 | null;
}

/** Paint on a context whose unit is a CSS pixel. */
export function paintSlice(context: CanvasRenderingContext2D, scene: Scene, theme: Theme): void {
  const { plane, window } = scene;
  const { width, height } = window;
  const at = (right: number, up: number) => toScreen(window, right, up);
  context.fillStyle = `rgb(${theme.paper.join(',')})`;
  context.fillRect(0, 0, width, height);
  if (scene.grey) {
    const { canvas, slice } = scene.grey;
    const edge = slice.scale / 2;
    const [left, top] = at(slice.right - edge, slice.up + (slice.height - 1) * slice.scale + edge);
    const size = slice.scale * window.pixelsPerVoxel;
    // Large voxels are shown as what they are.
    context.imageSmoothingEnabled = size < 12;
    context.drawImage(canvas, left, top, slice.width * size, slice.height * size);
  }
  for (const line of scene.lines) strokePieces(context, window, line);
  const [x, y] = at(scene.cursor[plane.right], scene.cursor[plane.up]);
  const gap = 9;
  context.lineWidth = 1;
  context.strokeStyle = theme.cursor;
  context.beginPath();
  for (const [x0, y0, x1, y1] of [[0, y, x - gap, y], [x + gap, y, width, y], [x, 0, x, y - gap], [x, y + gap, x, height]]) {
    context.moveTo(x0, y0);
    context.lineTo(x1, y1);
  }
  context.stroke();
  if (scene.fulcrum) {
    const near = Math.abs(scene.fulcrum[plane.normal] - scene.cursor[plane.normal]) <= 0.5;
    paintFulcrum(context, ...at(scene.fulcrum[plane.right], scene.fulcrum[plane.up]), near, theme);
  }
  paintScaleBar(context, width, height, scene.grid.voxelSize / window.pixelsPerVoxel, theme);
  write(context, `${AXES[plane.right]} →`, 28, height - 8, 'left', theme);
  write(context, `${AXES[plane.up]} ↑`, 6, height - 24, 'left', theme);
}

function strokePieces(context: CanvasRenderingContext2D, window: Window2D, line: Line): void {
  const { pieces, slice } = line;
  const step = slice.scale * window.pixelsPerVoxel;
  const [x0, y0] = toScreen(window, slice.right, slice.up);
  context.lineWidth = line.width;
  context.strokeStyle = line.colour;
  context.globalAlpha = line.opacity;
  const x = (u: number) => x0 + u * step;
  const y = (v: number) => y0 - v * step;
  context.beginPath();
  if (line.dashed) {
    // Dashes need the pieces in order; without them the order is no matter.
    context.setLineDash([6, 4]);
    for (const chain of chained(pieces)) {
      context.moveTo(x(chain[0]), y(chain[1]));
      for (let i = 2; i < chain.length; i += 2) context.lineTo(x(chain[i]), y(chain[i + 1]));
    }
  } else {
    for (let i = 0; i < pieces.length; i += 4) {
      context.moveTo(x(pieces[i]), y(pieces[i + 1]));
      context.lineTo(x(pieces[i + 2]), y(pieces[i + 3]));
    }
  }
  context.stroke();
  context.setLineDash([]);
  context.globalAlpha = 1;
}

/** A ring with four arms; dashed when the point lies before or behind what is shown. */
export function paintFulcrum(context: CanvasRenderingContext2D, x: number, y: number, near: boolean, theme: Theme): void {
  const draw = () => {
    context.beginPath();
    context.arc(x, y, 8, 0, 2 * Math.PI);
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      context.moveTo(x + 3 * dx, y + 3 * dy);
      context.lineTo(x + 14 * dx, y + 14 * dy);
    }
    context.stroke();
  };
  context.setLineDash(near ? [] : [3, 3]);
  context.lineWidth = near ? 5 : 4;
  context.strokeStyle = theme.halo;
  draw();
  context.lineWidth = near ? 2.5 : 1.8;
  context.strokeStyle = theme.fulcrum;
  draw();
  context.setLineDash([]);
}

export function paintScaleBar(context: CanvasRenderingContext2D, width: number, height: number, angstromPerPixel: number, theme: Theme): void {
  const length = scaleBarAngstrom(Math.min(width, height) * angstromPerPixel);
  const pixels = length / angstromPerPixel;
  context.fillStyle = theme.text;
  context.fillRect(width - pixels - 10, height - 12, pixels, 3);
  write(context, `${length} Å`, width - 10, height - 17, 'right', theme);
}
