// The player's pictograms, drawn on a 24 × 24 grid in the colour of the text around them. Their buttons carry the words.

const PATHS = {
  play: "M8 5.6v12.8a1 1 0 0 0 1.5.9l10.6-6.4a1 1 0 0 0 0-1.8L9.5 4.7A1 1 0 0 0 8 5.6z",
  pause: "M7 5h3.5v14H7zM13.5 5H17v14h-3.5z",
  sound: "M4 9.5v5h3.2L12 18.8V5.2L7.2 9.5zM14.5 8.4a5 5 0 0 1 0 7.2l1.2 1.2a6.8 6.8 0 0 0 0-9.6zM17.2 5.7a8.9 8.9 0 0 1 0 12.6l1.2 1.2a10.6 10.6 0 0 0 0-15z",
  muted: "M4 9.5v5h3.2L12 18.8V5.2L7.2 9.5zM21 9.7 19.8 8.5 17.5 10.8 15.2 8.5 14 9.7 16.3 12 14 14.3 15.2 15.5 17.5 13.2 19.8 15.5 21 14.3 18.7 12z",
  quality: "M4 7h7.2a2.9 2.9 0 0 1 5.6 0H20v1.8h-3.2a2.9 2.9 0 0 1-5.6 0H4zM4 15.2h3.2a2.9 2.9 0 0 1 5.6 0H20V17h-7.2a2.9 2.9 0 0 1-5.6 0H4z",
  pictureInPicture: "M3 5h18v6h-1.8V6.8H4.8v10.4H10V19H3zM12 12.5h9V19h-9z",
  enterFullScreen: "M4 4h6v1.8H5.8V10H4zM14 4h6v6h-1.8V5.8H14zM4 14h1.8v4.2H10V20H4zM18.2 14H20v6h-6v-1.8h4.2z",
  leaveFullScreen: "M8.2 4H10v6H4V8.2h4.2zM14 4h1.8v4.2H20V10h-6zM4 14h6v6H8.2v-4.2H4zM14 14h6v1.8h-4.2V20H14z",
  check: "M9.6 16.2 5.4 12l-1.3 1.3 5.5 5.5L20 8.4l-1.3-1.3z",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
