/** Id of this build (`vite.config.js`). */
declare const BUILD: string;

declare module "*?url" {
  const address: string;
  export default address;
}
