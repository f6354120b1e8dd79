/** Short texts with a halo on a 2D canvas, each drawn once: stroked letters cost more than all else on a slice. */
import type { Theme } from './theme';

const FONT = '12px system-ui, sans-serif';
/** CSS pixels about a text: its halo, and what letters reach beyond their box. */
const EDGE = 4;
const ASCENT = 12;
const DESCENT = 4;
const KEPT = 200;

interface Sprite {
  canvas: HTMLCanvasElement;
  width: number;
}

const sprites = new Map<string, Sprite>();

/** Text with a halo, so that it is read on any ground. */
export function write(context: CanvasRenderingContext2D, text: string, x: number, y: number, align: CanvasTextAlign, theme: Theme, colour = theme.text): void {
  const ratio = context.getTransform().a || 1;
  const { canvas, width } = spriteOf(text, colour, theme.halo, ratio);
  const before = align === 'left' ? 0 : align === 'right' ? width : width / 2;
  // On whole pixels of the screen, as letters are.
  const onPixel = (value: number) => Math.round(value * ratio) / ratio;
  context.drawImage(canvas, onPixel(x - before - EDGE), onPixel(y - ASCENT - EDGE), canvas.width / ratio, canvas.height / ratio);
}

function spriteOf(text: string, colour: string, halo: string, ratio: number): Sprite {
  const key = [text, colour, halo, ratio].join('|');
  const kept = sprites.get(key);
  if (kept) return kept;
  if (sprites.size >= KEPT) sprites.delete(sprites.keys().next().value!);
  const canvas = document.createElement('canvas');
  const context = canvas.getContext('2d')!;
  context.font = FONT;
  const width = context.measureText(text).width;
  canvas.width = Math.ceil((width + 2 * EDGE) * ratio);
  canvas.height = Math.ceil((ASCENT + DESCENT + 2 * EDGE) * ratio);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  Object.assign(context, { font: FONT, textBaseline: 'alphabetic', textAlign: 'left', lineWidth: 3, lineJoin: 'round', strokeStyle: halo, fillStyle: colour });
  context.strokeText(text, EDGE, EDGE + ASCENT);
  context.fillText(text, EDGE, EDGE + ASCENT);
  const made = { canvas, width };
  sprites.set(key, made);
  return made;
}
