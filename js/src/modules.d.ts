declare module '*.svg' {
  const text: string;
  export default text;
}
declare module '*.ipynb' {
  const notebook: object;
  export default notebook;
}
