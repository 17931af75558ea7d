/** Files that are put into the binary: a path that can be read, or the text itself. */
declare module "*.binlog" {
  const path: string;
  // biome-ignore lint/style/noDefaultExport: that is how Bun hands over an embedded file
  export default path;
}

declare module "*.yaml" {
  const text: string;
  // biome-ignore lint/style/noDefaultExport: that is how Bun hands over an embedded file
  export default text;
}
