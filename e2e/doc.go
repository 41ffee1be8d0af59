// Package e2e tests GitStore as its users have it: the two programs as processes of their own, over HTTP, with what they
// leave on the disk read by git itself. It imports nothing of GitStore, so that nothing but the programs is tested.
//
// ROUNDS sets how often TestKillAndRestart and TestConditionalWritesAreLinearizable kill and TestPowerCut cuts the power,
// SEED what their randomness begins with, DURATION how long TestSoak goes on, OUT where it leaves its figures. TestPowerCut and its control
// need root, loop devices and mkfs.ext4.
package e2e
