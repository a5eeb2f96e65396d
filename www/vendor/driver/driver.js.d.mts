// Trunk copies the module itself from node_modules; here are its types.
export * from "driver.js";
