/** The pictures of a viewer as one PNG file, laid out as on screen. */
import { write } from './label';
import type { Picture } from './picture';
import type { Theme } from './theme';

export async function savePng(root: HTMLElement, pictures: readonly Picture[], theme: Theme, title: string): Promise<void> {
  const blob = await composePng(pictures, theme);
  const url = URL.createObjectURL(blob);
  const link = document.createElement('a');
  Object.assign(link, { href: url, download: `${title.replace(/\.[^.]*$/, '').replace(/[^\w.-]+/g, '_') || 'map'}.png` });
  root.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

export function composePng(pictures: readonly Picture[], theme: Theme): Promise<Blob> {
  const ratio = window.devicePixelRatio || 1;
  const shown = pictures
    .map(picture => ({ canvas: picture.picture(), heading: picture.heading, box: picture.element.getBoundingClientRect(), frame: picture.element.querySelector('canvas')!.getBoundingClientRect() }))
    .filter(item => item.canvas && item.frame.width > 0);
  const left = Math.min(...shown.map(item => item.box.left));
  const top = Math.min(...shown.map(item => item.box.top));
  const right = Math.max(...shown.map(item => item.box.right));
  const bottom = Math.max(...shown.map(item => item.frame.bottom));
  const whole = document.createElement('canvas');
  Object.assign(whole, { width: Math.round((right - left) * ratio), height: Math.round((bottom - top) * ratio) });
  const context = whole.getContext('2d')!;
  context.fillStyle = `rgb(${theme.paper.join(',')})`;
  context.fillRect(0, 0, whole.width, whole.height);
  context.setTransform(ratio, 0, 0, ratio, -left * ratio, -top * ratio);
  for (const { canvas, heading, frame } of shown) {
    context.drawImage(canvas!, frame.left, frame.top, frame.width, frame.height);
    write(context, heading.querySelector('b')?.textContent ?? '', frame.left + 2, frame.top - 6, 'left', theme);
  }
  return new Promise((resolve, reject) => whole.toBlob(blob => (blob ? resolve(blob) : reject(new Error('The browser made no picture.'))), 'image/png'));
}
