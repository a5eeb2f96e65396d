/** Id of this build (`vite.config.js`). */
declare const BUILD: string;

declare module "*?url" {
  const address: string;
  export default address;
}

declare module "*.css?inline" {
  const styles: string;
  export default styles;
}
