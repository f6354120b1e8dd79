/** Draws one slice with its outline, cross-hair, fulcrum and scale bar on a 2D canvas. */
import { AXES, type Plane, type Slice, type Vec3, binnedToVoxel, scaleBarAngstrom, voxelToScreen } from './geometry';
import type { Segment } from './outline';
import type { Theme } from './theme';

export interface Scene {
  plane: Plane;
  box: number;
  voxelSize: number;
  binning: number;
  slice: Slice;
  contour: Segment[];
  cursor: Vec3;
  fulcrum: Vec3 | null;
}

const FONT = '12px system-ui, sans-serif';

/** Paint on a context whose unit is a CSS pixel; the picture is a square of `size`. */
export function paint(context: CanvasRenderingContext2D, size: number, scene: Scene, theme: Theme): void {
  const { plane, box } = scene;
  const right = (voxel: number) => voxelToScreen(voxel, box, size);
  const up = (voxel: number) => size - voxelToScreen(voxel, box, size);
  context.fillStyle = `rgb(${theme.paper.join(',')})`;
  context.fillRect(0, 0, size, size);
  paintGrey(context, size, scene, theme);

  context.lineWidth = 2;
  context.strokeStyle = theme.mask;
  context.beginPath();
  const at = (position: number) => binnedToVoxel(position, scene.binning);
  for (const [u0, v0, u1, v1] of scene.contour) {
    context.moveTo(right(at(u0)), up(at(v0)));
    context.lineTo(right(at(u1)), up(at(v1)));
  }
  context.stroke();

  const [x, y] = [right(scene.cursor[plane.right]), up(scene.cursor[plane.up])];
  const gap = 9;
  context.lineWidth = 1;
  context.strokeStyle = theme.cursor;
  strokeLines(context, [[0, y, x - gap, y], [x + gap, y, size, y], [x, 0, x, y - gap], [x, y + gap, x, size]]);

  if (scene.fulcrum) {
    const near = Math.abs(scene.fulcrum[plane.normal] - scene.cursor[plane.normal]) <= 0.5;
    paintFulcrum(context, right(scene.fulcrum[plane.right]), up(scene.fulcrum[plane.up]), near, theme);
  }
  paintLabels(context, size, scene, theme);
}

function paintGrey(context: CanvasRenderingContext2D, size: number, scene: Scene, theme: Theme): void {
  const { slice, binning, box } = scene;
  const image = new ImageData(slice.width, slice.height);
  for (let v = 0; v < slice.height; v++) {
    const row = (slice.height - 1 - v) * slice.width; // up is up on screen
    for (let u = 0; u < slice.width; u++) {
      const share = slice.data[v * slice.width + u] / 255;
      for (let c = 0; c < 3; c++) image.data[4 * (row + u) + c] = theme.paper[c] + share * (theme.ink[c] - theme.paper[c]);
      image.data[4 * (row + u) + 3] = 255;
    }
  }
  const buffer = new OffscreenCanvas(slice.width, slice.height);
  buffer.getContext('2d')!.putImageData(image, 0, 0);
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = 'high';
  const width = (slice.width * binning * size) / box;
  const height = (slice.height * binning * size) / box;
  context.drawImage(buffer, 0, size - height, width, height);
}

function paintFulcrum(context: CanvasRenderingContext2D, x: number, y: number, near: boolean, theme: Theme): void {
  const draw = () => {
    context.beginPath();
    context.arc(x, y, 8, 0, 2 * Math.PI);
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      context.moveTo(x + 3 * dx, y + 3 * dy);
      context.lineTo(x + 14 * dx, y + 14 * dy);
    }
    context.stroke();
  };
  // Dashed when the point lies before or behind this slice.
  context.setLineDash(near ? [] : [3, 3]);
  context.lineWidth = near ? 5 : 4;
  context.strokeStyle = theme.halo;
  draw();
  context.lineWidth = near ? 2.5 : 1.8;
  context.strokeStyle = theme.fulcrum;
  draw();
  context.setLineDash([]);
}

function paintLabels(context: CanvasRenderingContext2D, size: number, scene: Scene, theme: Theme): void {
  const length = scaleBarAngstrom(scene.box * scene.voxelSize);
  const pixels = (length / (scene.box * scene.voxelSize)) * size;
  context.font = FONT;
  context.textBaseline = 'alphabetic';
  const write = (text: string, x: number, y: number) => {
    context.lineWidth = 3;
    context.lineJoin = 'round';
    context.strokeStyle = theme.halo;
    context.strokeText(text, x, y);
    context.fillStyle = theme.text;
    context.fillText(text, x, y);
  };
  context.fillStyle = theme.text;
  context.fillRect(size - pixels - 10, size - 12, pixels, 3);
  context.textAlign = 'right';
  write(`${length} Å`, size - 10, size - 17);
  context.textAlign = 'left';
  write(`${AXES[scene.plane.right]} →`, 28, size - 8);
  write(`${AXES[scene.plane.up]} ↑`, 6, size - 24);
}

function strokeLines(context: CanvasRenderingContext2D, lines: Array<[number, number, number, number]>): void {
  context.beginPath();
  for (const [x0, y0, x1, y1] of lines) {
    context.moveTo(x0, y0);
    context.lineTo(x1, y1);
  }
  context.stroke();
}
