// What five people come to the page for, by keyboard alone and by touch on a phone of 360 px. Nothing is clicked with a mouse, and
// folded parts are folded, as on a first visit.

import { readFile } from "node:fs/promises";
import { expect, test } from "@playwright/test";
import { at, boxOf, number, photographs, pictures } from "./helpers.js";

/** @import { Locator, Page } from "@playwright/test" */

/** Most presses of Tab to a control. */
const MOST_TABS = 150;
/** Smallest side of what is tapped, px (WCAG 2.5.8). */
const LEAST_TARGET = 24;
/** A run whose steps take milliseconds, on 40 puppets. */
const QUICK = "?backend=cpu&count=40&size=32&width=4&loss=pixel&batch=2";

/**
 * How a person uses the page.
 * @typedef {object} Person
 * @property {(control: Locator, key?: string) => Promise<void>} press Presses a button, a link, a box or a summary.
 * @property {(field: Locator, text: string) => Promise<void>} type Replaces the text of a field.
 * @property {(list: Locator, value: string) => Promise<void>} pick Picks from a list.
 * @property {(control: Locator, files: any[]) => Promise<void>} choose Presses a control that opens the browser's dialog for files.
 * @property {() => Promise<void>} dragKeypoint Moves a keypoint in the picture of the model.
 * @property {(nth: number) => Promise<void>} placeLandmark Places the chosen landmark in the editor.
 */

/** True for an input that only its label shows.
 * @param {Locator} control
 */
const isHidden = (control) => control.evaluate((element) => element.matches(".visually-hidden"));

/** The label of an input.
 * @param {Page} page
 * @param {Locator} control
 */
async function labelOf(page, control) {
  const own = page.locator(`label[for="${await control.getAttribute("id")}"]`);
  return (await own.count()) > 0 ? own.first() : control.locator("xpath=ancestor::label");
}

/** @param {Page} page @returns {Person} */
function byKeyboard(page) {
  const id = at(page);
  const isFocused = (/** @type {Locator} */ control) => control.evaluate((element) => element === document.activeElement);
  const tabTo = async (/** @type {Locator} */ control) => {
    for (let i = 0; i < MOST_TABS; i++) {
      // A control that is reached is seen, or its label is.
      if (await isFocused(control)) return expect((await isHidden(control)) ? await labelOf(page, control) : control).toBeInViewport();
      await page.keyboard.press("Tab");
    }
    throw new Error(`${control} is not reached by Tab.`);
  };
  return {
    press: async (control, key = "Enter") => {
      await expect(control).toBeEnabled();
      await tabTo(control);
      await page.keyboard.press(key);
    },
    type: async (field, text) => {
      await tabTo(field);
      await page.keyboard.press("Control+a");
      await page.keyboard.type(text);
      await page.keyboard.press("Enter");
    },
    pick: async (list, value) => {
      await tabTo(list);
      for (let i = 0; i < 9 && (await list.inputValue()) !== value; i++) await page.keyboard.press("ArrowDown");
      await expect(list).toHaveValue(value);
    },
    choose: async (control, files) => {
      const chooser = page.waitForEvent("filechooser");
      await tabTo(control);
      await page.keyboard.press("Enter");
      await (await chooser).setFiles(files);
    },
    dragKeypoint: async () => {
      await tabTo(id("flow-keypoints"));
      await page.keyboard.press("n");
      for (let i = 0; i < 6; i++) await page.keyboard.press("Shift+ArrowLeft");
    },
    placeLandmark: async (nth) => {
      await tabTo(id("editor-canvas"));
      for (let i = 0; i <= nth; i++) await page.keyboard.press("Shift+ArrowUp");
    },
  };
}

/** @param {Page} page @returns {Person} */
function byTouch(page) {
  const id = at(page);
  const tap = async (/** @type {Locator} */ control) => {
    await control.scrollIntoViewIfNeeded();
    const { width, height } = await boxOf(control);
    expect(Math.min(width, height), `${control}`).toBeGreaterThanOrEqual(LEAST_TARGET);
    await control.tap();
    // A phone's own width grows with what is too wide for it.
    expect(await page.evaluate(() => document.documentElement.scrollWidth), "wider than the screen").toBeLessThanOrEqual(PHONE.width);
  };
  return {
    press: async (control) =>
      tap((await control.evaluate((element) => element instanceof HTMLInputElement)) ? await labelOf(page, control) : control),
    type: async (field, text) => {
      await tap(field);
      await field.fill(text);
      await page.keyboard.press("Enter");
    },
    pick: async (list, value) => {
      await list.selectOption(value); // the phone's own list
    },
    choose: async (control, files) => {
      const chooser = page.waitForEvent("filechooser");
      await tap(await labelOf(page, control));
      await (await chooser).setFiles(files);
    },
    dragKeypoint: async () => {
      const canvas = id("flow-keypoints");
      await canvas.scrollIntoViewIfNeeded();
      const { x, y, width, height } = await boxOf(canvas);
      const finger = await page.context().newCDPSession(page);
      const touch = (/** @type {"touchStart" | "touchMove" | "touchEnd"} */ type, /** @type {number[]} */ ...place) =>
        finger.send("Input.dispatchTouchEvent", { type, touchPoints: place.length ? [{ x: place[0], y: place[1] }] : [] });
      // A finger finds a keypoint where it sees one; here it tries a few places.
      for (let i = 0; i < 25; i++) {
        const [from, to] = [x + (0.2 + 0.15 * (i % 5)) * width, y + (0.2 + 0.15 * Math.floor(i / 5)) * height];
        await touch("touchStart", from, to);
        for (let step = 1; step <= 4; step++) await touch("touchMove", from - 6 * step, to);
        await touch("touchEnd");
        if (await id("reset-edits").isEnabled()) return;
      }
      throw new Error("No keypoint can be touched.");
    },
    placeLandmark: async (nth) => {
      const { x, y, width, height } = await boxOf(id("editor-canvas"));
      await page.touchscreen.tap(x + width * (0.4 + 0.03 * nth), y + height / 2);
    },
  };
}

const PHONE = { width: 360, height: 740 };

for (const [way, personOf, use] of /** @type {[string, (page: Page) => Person, object][]} */ ([
  ["by keyboard alone", byKeyboard, { viewport: { width: 1280, height: 800 } }],
  ["by touch at 360 px", byTouch, { viewport: PHONE, hasTouch: true, isMobile: true }],
])) {
  test.describe(way, () => {
    test.use({ ...use, storageState: { cookies: [], origins: [] }, contextOptions: { reducedMotion: "reduce" } });

    test("explore and drag a keypoint", async ({ page }) => {
      const id = at(page);
      const person = personOf(page);
      await page.goto("./");
      await expect(id("explore-invitation")).toContainText("Drag a keypoint");
      await expect(id("reset-edits")).toBeDisabled();
      const drawn = () => id("flow-reconstruction").evaluate((/** @type {HTMLCanvasElement} */ canvas) => canvas.toDataURL());
      const before = await drawn();
      await person.dragKeypoint();
      await expect(id("explore-invitation")).toContainText("Paint in “Mask”");
      await expect.poll(drawn).not.toBe(before);
    });

    test("train on own images", async ({ page }) => {
      const id = at(page);
      const person = personOf(page);
      await page.goto(QUICK);
      await expect(id("images-count")).toHaveText("40");
      await person.choose(id("file-input"), [...(await photographs(10)), ...pictures(50)]);
      await expect(id("images-count")).toHaveText("60");
      await expect(id("held-out-readout")).toContainText("Held out (8 images)");
      await person.press(id("play"));
      await expect.poll(() => number(id("step-count"))).toBeGreaterThan(30);
      await expect(id("held-out-readout")).toContainText(/: \d/);
      await person.press(id("play"));
      await expect(id("message")).toHaveText("Paused.");
      // How it came about: the untrained model beside the trained one.
      await person.press(page.locator('[data-fold="training-history"] > summary'));
      await expect(id("snapshot-a")).toHaveText("0");
      await expect.poll(() => number(id("snapshot-b"))).toBeGreaterThan(30);
    });

    test("find why a run fails, and mend it", async ({ page }) => {
      const id = at(page);
      const person = personOf(page);
      await page.goto("?backend=cpu&count=40&size=32&width=4&loss=pixel&batch=16&learning_rate=0.000001");
      await expect(id("images-count")).toHaveText("40");
      await person.press(id("play"));
      await expect(id("health")).toHaveText(/1 issue/, { timeout: 300_000 });
      await person.press(id("health"));
      await expect(id("diagnosis")).toContainText("The loss has hardly fallen");
      await expect(id("diagnosis")).toContainText("Raise the learning rate");
      await person.press(id("health-close"));
      await expect(id("diagnosis")).toBeHidden();
      await person.press(page.locator('[data-fold="settings"] > summary'));
      await person.type(id("learning-rate"), "0.003");
      // So small a model has other troubles.
      await person.press(id("health"));
      await expect(id("diagnosis")).not.toContainText("hardly fallen", { timeout: 300_000 });
      await person.press(id("health-close"));
      await person.press(id("play"));
      await expect(id("message")).toHaveText("Paused.");
    });

    test("label five images and export them", async ({ page }) => {
      const id = at(page);
      const person = personOf(page);
      await page.goto("./");
      await expect(id("explore-invitation")).toContainText("Drag a keypoint");
      await person.press(id("tab-annotate"));
      await person.choose(id("annotate-files"), await photographs(6));
      await expect(id("annotate-count")).toHaveText("6 images");
      await expect(id("message")).toHaveText("Detected keypoints in 6 images.");
      await person.pick(id("annotate-layer"), "landmarks");
      await person.type(id("landmark-new"), "tip");
      await expect(id("landmarks").getByTestId("landmark-name").last()).toHaveValue("tip");
      for (let image = 0; image < 5; image++) {
        await person.press(id("label-next"));
        await expect(id("editor")).toBeVisible();
        await person.placeLandmark(image);
        await expect(id("editor-points").locator("button").first()).toContainText("by hand");
        await person.press(id("editor-close"));
        await expect(id("landmarks").locator("li").first()).toContainText(`placed on ${image + 1} image`);
      }
      const download = page.waitForEvent("download");
      await person.press(id("export-coco"));
      const coco = JSON.parse(`${await readFile(await (await download).path())}`);
      expect(coco.categories[0].keypoints).toEqual(["tip"]);
      const placed = coco.annotations.filter((/** @type {any} */ { keypoints }) => keypoints[2] === 2);
      expect(placed.length).toBeGreaterThanOrEqual(5);
    });

    test("send a lesson link", async ({ page, context }) => {
      const id = at(page);
      const person = personOf(page);
      await page.goto(QUICK);
      await expect(id("images-count")).toHaveText("40");
      await person.press(id("open-share"));
      await person.press(id("share-lesson").locator("summary"));
      for (const name of ["Start training at once", "Hide model", "Hide Annotate"]) await person.press(page.getByLabel(name), "Space");
      const link = await id("share-link").inputValue();
      expect(new URL(link).searchParams.get("hide")).toBe("model,annotate");
      const pupil = await context.newPage();
      await pupil.goto(link);
      const there = at(pupil);
      await expect.poll(() => number(there("step-count"))).toBeGreaterThan(2);
      for (const part of ["save-model", "tab-annotate"]) await expect(there(part)).toBeHidden();
    });
  });
}
