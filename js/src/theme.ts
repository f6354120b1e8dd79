/** Colours that follow JupyterLab's theme, read from its CSS variables. */

export interface Theme {
  dark: boolean;
  paper: [number, number, number];
  ink: [number, number, number];
  map: string;
  mask: string;
  swing: string;
  fulcrum: string;
  halo: string;
  cursor: string;
  text: string;
}

// Okabe and Ito's hues (2008), which eyes that see few colours tell apart, in lightness for each paper.
const DARK: Theme = {
  dark: true, paper: [14, 16, 20], ink: [245, 246, 248], map: '#d8b45c', mask: '#56b4e9', swing: '#cc79a7', fulcrum: '#ff8a3d',
  halo: 'rgba(0,0,0,.75)', cursor: 'rgba(240,228,66,.6)', text: '#d8dce2',
};
const LIGHT: Theme = {
  dark: false, paper: [252, 252, 253], ink: [18, 22, 30], map: '#c2922e', mask: '#0072b2', swing: '#b0478a', fulcrum: '#d1490c',
  halo: 'rgba(255,255,255,.85)', cursor: 'rgba(110,80,190,.55)', text: '#3a4250',
};

/** Whether the page under `element` is dark; outside JupyterLab, what the system prefers. */
export function readTheme(element: HTMLElement): Theme {
  const body = document.body.dataset.jpThemeLight;
  const dark = body === undefined ? isDark(element) : body === 'false';
  return dark ? DARK : LIGHT;
}

function isDark(element: HTMLElement): boolean {
  const colour = getComputedStyle(element).getPropertyValue('--jp-layout-color0').trim();
  const hex = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(colour);
  if (hex) return hex.slice(1).reduce((sum, part) => sum + parseInt(part, 16), 0) < 3 * 128;
  return matchMedia('(prefers-color-scheme: dark)').matches;
}

/** Red, green and blue, 0 to 1, of `#rrggbb`. */
export function rgb(colour: string): [number, number, number] {
  const value = parseInt(colour.slice(1), 16);
  return [((value >> 16) & 255) / 255, ((value >> 8) & 255) / 255, (value & 255) / 255];
}

/** Call back when JupyterLab changes its theme; returns the function that ends it. */
export function onThemeChange(callback: () => void): () => void {
  const observer = new MutationObserver(callback);
  observer.observe(document.body, { attributes: true, attributeFilter: ['data-jp-theme-light', 'data-jp-theme-name'] });
  return () => observer.disconnect();
}
